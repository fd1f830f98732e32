import Glibc

extension KeyRing {
  /// Bytes of a key file at the most: some hundred keys.
  private static let fileBytesMax = 16_384

  /// Reads a key file.
  ///
  /// - Throws: `KeyFileError` when it can't be read, others may read it, or its text is wrong.
  package static func load(path: String) throws(KeyFileError) -> KeyRing {
    try KeyRing(text: text(path: path))
  }

  /// Reads the file of a key that is shared with somebody else: one line, `whsec_` and 24 to 64 bytes in base64, as
  /// Standard Webhooks 1.0 has it.
  ///
  /// - Throws: `KeyFileError`, as for a key file.
  package static func loadWebhookKey(path: String) throws(KeyFileError) -> [UInt8] {
    let lines = try text(path: path).split(separator: "\n", omittingEmptySubsequences: true)
    guard let line = lines.first else { throw .noKey }
    guard lines.count == 1, line.hasPrefix("whsec_"), let bytes = Base64.decode(String(line.dropFirst(6))),
      (24...64).contains(bytes.count)
    else { throw .malformedLine(1) }
    return bytes
  }

  /// The file that was checked is the one that is read: all goes through one descriptor.
  private static func text(path: String) throws(KeyFileError) -> String {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { throw .cannotOpen(errno: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw .cannotOpen(errno: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .notARegularFile }
    let permissions = status.st_mode & 0o7777
    guard permissions == 0o400 || permissions == 0o600 else { throw .openToOthers(mode: permissions) }
    guard status.st_uid == geteuid() || status.st_uid == 0 else { throw .foreignOwner }
    var bytes = [UInt8](repeating: 0, count: fileBytesMax)
    var length = 0
    while length < bytes.count {
      let count = unsafe bytes.withUnsafeMutableBytes { buffer in
        let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[length...])
        return unsafe read(descriptor, rest.baseAddress, rest.count)
      }
      if count < 0, errno == EINTR { continue }
      if count < 0 { throw .cannotOpen(errno: errno) }
      if count == 0 { break }
      length += count
    }
    guard let text = String(validating: bytes.prefix(length), as: UTF8.self) else { throw .notText }
    return text
  }
}

extension KeyFileError: CustomStringConvertible {
  /// For whoever starts the program; says nothing of a key.
  package var description: String {
    switch self {
    case .cannotOpen(let code):
      unsafe strerror(code).flatMap { unsafe String(validatingCString: $0) } ?? "can't be opened (\(code))"
    case .notARegularFile: "isn't a regular file"
    case .openToOthers(let mode): "has mode 0\(String(mode, radix: 8)) and must have 0400 or 0600"
    case .foreignOwner: "belongs neither to this user nor to root"
    case .notText: "isn't text"
    case .malformedLine(let line): "line \(line) isn't a key"
    case .repeatedID(let line): "line \(line) repeats an id"
    case .noKey: "holds no key"
    }
  }
}
