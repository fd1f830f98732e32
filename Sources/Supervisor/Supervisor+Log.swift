import JSON

/// What the supervisor says.
extension Supervisor {
  func role(of slot: Int) -> ProcessRole {
    slot < configuration.workers ? .worker : .jobs
  }

  func log(_ level: EventLog.Level, _ event: StaticString, _ id: ChildID, _ pid: Int32) {
    configuration.log.write(level, event) { writer in
      describe(id, pid: pid, in: &writer)
    }
  }

  func write(_ report: Roster.Report, pid: Int32) {
    switch report {
    case .died(let id, let ending, let lived):
      configuration.log.write(.error, "process_died") { writer in
        describe(id, pid: pid, in: &writer)
        describe(ending, in: &writer)
        writer.field("lived_ms", lived)
        let note = memory.status.note(of: id.seat)
        if !note.isEmpty { writer.field("note", String(decoding: note, as: UTF8.self)) }
      }
    case .drained(let id): log(.info, "process_drained", id, pid)
    case .willRestart(let slot, let pause):
      configuration.log.write(.info, "restart_scheduled") { writer in
        writer.field("role", role(of: slot).rawValue)
        writer.field("slot", slot)
        writer.field("after_ms", pause)
      }
    case .rolled: configuration.log.write(.info, "rolling_restart_ended")
    case .rollFailed(let slot):
      configuration.log.write(.error, "rolling_restart_failed") { $0.field("slot", slot) }
    }
  }

  private func describe(_ id: ChildID, pid: Int32, in writer: inout JSONWriter) {
    writer.field("role", role(of: id.seat.slot).rawValue)
    writer.field("slot", id.seat.slot)
    if pid > 0 { writer.field("pid", pid) }
  }

  private func describe(_ ending: Ending, in writer: inout JSONWriter) {
    switch ending {
    case .exit(let code): writer.field("exit_code", code)
    case .signal(let number): writer.field("signal", number)
    case .notStarted(let error): writer.field("reason", SupervisorError("start", errno: error).description)
    }
  }
}
