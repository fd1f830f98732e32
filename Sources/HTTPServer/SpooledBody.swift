import CLinux
import EventLoop
import Glibc

/// A body in a file that has no name: the system frees it when the last reader lets go, even when the process dies.
package final class SpooledBody: Sendable {
  /// For `pread`; closed when this object goes.
  package let descriptor: Int32
  /// Bytes.
  package let length: Int

  init(descriptor: Int32, length: Int) {
    self.descriptor = descriptor
    self.length = length
  }

  deinit {
    close(descriptor)
  }

  /// Whether bodies can be spooled in `directory`; throws what `open` reports.
  package static func probe(_ directory: String) throws(SystemError) {
    close(try SystemError.check(unsafe clinux_open_unnamed(directory), "open"))
  }

  /// At most `count` bytes from `offset` on; empty at or after the end. Throws what `pread` reports.
  package func read(at offset: Int, upTo count: Int) throws(SystemError) -> [UInt8] {
    let wanted = max(0, min(count, length - offset))
    guard wanted > 0 else { return [] }
    var failure: Int32 = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: wanted) { buffer, filled in
      while filled < wanted {
        let got = unsafe pread(descriptor, buffer.baseAddress?.advanced(by: filled), wanted - filled, offset + filled)
        if got > 0 {
          filled += got
        } else if got == 0 || errno != EINTR {
          failure = got == 0 ? EIO : errno
          return
        }
      }
    }
    guard failure == 0 else { throw SystemError(code: failure, operation: "pread") }
    return bytes
  }
}

extension RequestBody {
  /// Writes the body to an unnamed file in `directory`, at most `quota` bytes (a declared length over it throws
  /// `tooLarge` before anything is read). `observe` sees every piece, for a digest. Memory holds one piece at a time;
  /// the writes go to the page cache and are not synced, since nobody looks for the file after a crash.
  package func spool(
    in directory: String, quota: Int, observe: (@LoopActor ([UInt8]) -> Void)? = nil
  ) async throws(BodyError) -> SpooledBody {
    if let declaredLength, declaredLength > quota { throw .tooLarge }
    let descriptor = unsafe clinux_open_unnamed(directory)
    guard descriptor >= 0 else { throw .storage(SystemError(code: -descriptor, operation: "open")) }
    var length = 0
    do throws(BodyError) {
      while let piece = try await next() {
        length += piece.count
        guard length <= quota else { throw .tooLarge }
        observe?(piece)
        try Self.write(piece, to: descriptor)
      }
    } catch {
      close(descriptor)
      throw error
    }
    return SpooledBody(descriptor: descriptor, length: length)
  }

  private static func write(_ piece: [UInt8], to descriptor: Int32) throws(BodyError) {
    var written = 0
    while written < piece.count {
      let count = unsafe piece.withUnsafeBytes { bytes in
        unsafe Glibc.write(descriptor, bytes.baseAddress?.advanced(by: written), bytes.count - written)
      }
      if count > 0 {
        written += count
      } else if errno != EINTR {
        throw .storage(SystemError(code: errno, operation: "write"))
      }
    }
  }
}
