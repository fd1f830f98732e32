import Glibc

extension KeyRing {
  /// Bytes of a key file at the most: some hundred keys.
  private static let fileBytesMax = 16_384

  /// Reads a key file. The file that was checked is the one that is read: all goes through one descriptor.
  ///
  /// - Throws: `KeyFileError` when it can't be read, others may read it, or its text is wrong.
  package static func load(path: String) throws(KeyFileError) -> KeyRing {
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
    return try KeyRing(text: text)
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
