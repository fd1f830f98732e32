/// Entity tags (RFC 9110 section 8.8.3).
enum ETag {
  /// Whether an `If-None-Match` list names the tag, by weak comparison as section 13.1.2 asks.
  static func matches(_ list: String, _ etag: String) -> Bool {
    if list == "*" { return true }
    return list.split(separator: ",").contains { candidate in
      var text = candidate.drop { $0 == " " }
      while text.last == " " { text = text.dropLast() }
      return text == etag || text.hasPrefix("W/") && text.dropFirst(2) == etag
    }
  }
}
