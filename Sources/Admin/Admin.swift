@main struct Admin { static func main() {} }
