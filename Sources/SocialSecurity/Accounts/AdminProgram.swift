/// `smile-admin` from its arguments to its exit code.
package enum AdminProgram {
  /// - Parameter arguments: the command line without the program's name.
  /// - Returns: 0, 1 when the work failed, 2 when the command line is wrong.
  package static func main(_ arguments: [String]) -> Int32 {
    let command: AdminCommand
    do {
      command = try AdminCommand(arguments) { readLine() }
    } catch {
      ServerProgram.complain("smile-admin: \(error.reason)\n\(AdminCommand.usage)")
      return 2
    }
    do {
      let configuration = try Configuration(environment: ServerProgram.processEnvironment())
      try AdminSession.run(command, configuration) { print($0) }
      return 0
    } catch {
      ServerProgram.complain("smile-admin: \(error)")
      return 1
    }
  }
}
