import HTTPServer

/// Finds the endpoint of a path and method.
///
/// A trie in flat arrays, built once from all endpoints. Building refuses duplicate, ambiguous and malformed
/// patterns, so that a mistake in the table stops the server at its start and not a request.
package struct Router: Sendable {
  package enum Match: Sendable {
    /// The endpoint's index in the table, and the path's parameters in the pattern's order.
    case endpoint(Int, parameters: [String])
    /// The path exists with other methods.
    case otherMethods([Method])
    case none
  }

  package struct TableError: Error, CustomStringConvertible {
    package let description: String
  }

  private struct Node: Sendable {
    var literals: [(segment: [UInt8], node: Int)] = []
    var parameter: Int?
    var endpoints: [(method: Method, index: Int)] = []
  }

  private var nodes = [Node()]
  /// Parameter names by endpoint, without braces.
  package private(set) var parameterNames: [[String]] = []

  /// - Throws: `TableError` naming the pattern at fault.
  package init(_ endpoints: [Endpoint]) throws(TableError) {
    var operations: Set<String> = []
    for (index, endpoint) in endpoints.enumerated() {
      guard operations.insert(endpoint.operationId).inserted else {
        throw TableError(description: "operationId \(endpoint.operationId) stands twice")
      }
      try insert(endpoint, index)
    }
  }

  private mutating func insert(_ endpoint: Endpoint, _ index: Int) throws(TableError) {
    guard endpoint.pattern.utf8.first == UInt8(ascii: "/") else {
      throw TableError(description: "pattern \(endpoint.pattern) doesn't begin with /")
    }
    var node = 0
    var names: [String] = []
    for segment in endpoint.pattern.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
      if segment.first == "{" {
        guard segment.last == "}", segment.count > 2 else {
          throw TableError(description: "pattern \(endpoint.pattern) has a malformed parameter")
        }
        names.append(String(segment.dropFirst().dropLast()))
        if nodes[node].parameter == nil {
          nodes.append(Node())
          nodes[node].parameter = nodes.count - 1
        }
        node = nodes[node].parameter ?? 0
        continue
      }
      let bytes = Array(segment.utf8)
      guard !bytes.isEmpty else { throw TableError(description: "pattern \(endpoint.pattern) has an empty segment") }
      if let known = nodes[node].literals.first(where: { $0.segment == bytes }) {
        node = known.node
      } else {
        nodes.append(Node())
        nodes[node].literals.append((bytes, nodes.count - 1))
        node = nodes.count - 1
      }
    }
    guard !nodes[node].endpoints.contains(where: { $0.method == endpoint.method }) else {
      throw TableError(description: "\(endpoint.method) \(endpoint.pattern) stands twice")
    }
    nodes[node].endpoints.append((endpoint.method, index))
    parameterNames.append(names)
  }

  /// A literal segment wins over a parameter; HEAD is answered by GET.
  package func match(_ method: Method, _ path: [UInt8]) -> Match {
    guard path.first == UInt8(ascii: "/") else { return .none }
    var node = 0
    var parameters: [String] = []
    var start = 1
    while start <= path.count {
      let end = path[start...].firstIndex(of: UInt8(ascii: "/")) ?? path.count
      let segment = path[start..<end]
      if let literal = nodes[node].literals.first(where: { $0.segment.elementsEqual(segment) }) {
        node = literal.node
      } else if let next = nodes[node].parameter, let text = String(validating: segment, as: UTF8.self), !text.isEmpty {
        parameters.append(text)
        node = next
      } else {
        return .none
      }
      start = end + 1
    }
    let endpoints = nodes[node].endpoints
    let wanted = method == .HEAD ? .GET : method
    if let found = endpoints.first(where: { $0.method == wanted }) {
      return .endpoint(found.index, parameters: parameters)
    }
    return endpoints.isEmpty ? .none : .otherMethods(endpoints.map(\.method))
  }
}
