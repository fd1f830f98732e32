/// The kinds of file that are taken: none of them is a container of other files, and none runs.
enum DocumentFormat: String, Sendable, CaseIterable {
  case pdf = "application/pdf"
  case jpeg = "image/jpeg"
  case png = "image/png"

  /// What the name of such a file may end with, lower case.
  var extensions: [String] {
    switch self {
    case .pdf: ["pdf"]
    case .jpeg: ["jpg", "jpeg"]
    case .png: ["png"]
    }
  }

  func makeScanner() -> any StructureScanner {
    switch self {
    case .pdf: PDFScanner()
    case .jpeg: JPEGScanner()
    case .png: PNGScanner()
    }
  }
}

/// Judges a file's structure while its bytes go by, in pieces of any size, and keeps none of them.
protocol StructureScanner {
  mutating func scan(_ bytes: [UInt8])
  /// Whether the bytes so far are one whole file of the format and nothing else.
  var isWhole: Bool { get }
}

/// Pixels of a picture at most, by its header: a small file can unpack to gigabytes.
enum PictureLimit {
  static let pixelsMax: UInt64 = 50_000_000

  static func allows(width: UInt64, height: UInt64) -> Bool {
    guard width > 0, height > 0 else { return false }
    let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
    return !overflow && pixels <= pixelsMax
  }
}
