import Testing

@testable import SocialSecurity

@Suite("Payroll lines")
struct PayrollLineTests {
  private static let header = "line_key,kpj,nik,full_name,birth_date,sex,wage,back_pay,back_pay_period\n"

  /// A line, and the codes found in it, as a clerk would list them.
  static let lines: [(line: String, problems: [String])] = [
    ("W1,26000000001,3171014507700001,Siti Rahayu,1970-07-05,female,12000000,,", []),
    ("W1,,3171014507700001,Siti Rahayu,1970-07-05,,0,,", []),
    ("W1, 26000000001 ,,\"Rahayu, Siti\",1970-07-05,female,12000000,,", []),
    ("W1,2600000000,,Siti,1970-07-05,female,1,,", ["kpj:kpj_malformed"]),
    ("W1,2600000000x,,Siti,1970-07-05,female,1,,", ["kpj:kpj_malformed"]),
    ("W1,,317101450770001,Siti,1970-07-05,female,1,,", ["nik:nik_malformed"]),
    ("W1,,3171014507700O01,Siti,1970-07-05,female,1,,", ["nik:nik_malformed"]),
    ("W1,,3171014507700001,,1970-07-05,female,1,,", ["full_name:name_missing"]),
    ("W1,,3171014507700001,12,1970-07-05,female,1,,", ["full_name:name_malformed"]),
    ("W1,,3171014507700001,Siti,,female,1,,", ["birth_date:birth_date_missing"]),
    ("W1,,3171014507700001,Siti,1990-02-30,female,1,,", ["birth_date:birth_date_invalid"]),
    ("W1,,3171014507700001,Siti,05-07-1970,female,1,,", ["birth_date:birth_date_invalid"]),
    ("W1,,3171014507700001,Siti,1971-07-05,female,1,,", ["nik:nik_birth_date_differs"]),
    ("W1,,3171014507700001,Siti,1970-07-05,male,1,,", ["nik:nik_sex_differs"]),
    ("W1,,3171014507700001,Siti,1970-07-05,P,1,,", ["sex:sex_invalid"]),
    ("W1,,3171014507700001,Siti,1970-07-05,female,,,", ["wage:wage_missing"]),
    ("W1,,3171014507700001,Siti,1970-07-05,female,-4250000,,", ["wage:wage_negative"]),
    ("W1,,3171014507700001,Siti,1970-07-05,female,4250000.50,,", ["wage:wage_not_whole"]),
    ("W1,,3171014507700001,Siti,1970-07-05,female,\"4250000,5\",,", ["wage:wage_not_whole"]),
    ("W1,,3171014507700001,Siti,1970-07-05,female,4.250.000,,", ["wage:wage_malformed"]),
    ("W1,,3171014507700001,Siti,1970-07-05,female,1e6,,", ["wage:wage_malformed"]),
    ("W1,,3171014507700001,Siti,1970-07-05,female,+5,,", ["wage:wage_malformed"]),
    ("W1,,3171014507700001,Siti,1970-07-05,female,-,,", ["wage:wage_malformed"]),
    ("W1,,3171014507700001,Siti,1970-07-05,female,1000000000000,,", []),
    ("W1,,3171014507700001,Siti,1970-07-05,female,1000000000001,,", ["wage:wage_too_large"]),
    (
      "W1,,3171014507700001,Siti,1970-07-05,female,1000000000000000000000000000000,,", ["wage:wage_too_large"]
    ),
    ("W1,,3171014507700001,Siti,1970-07-05,female,1,250000,2026-09", []),
    ("W1,,3171014507700001,Siti,1970-07-05,female,1,250000,", ["back_pay_period:back_pay_period_missing"]),
    ("W1,,3171014507700001,Siti,1970-07-05,female,1,,2026-09", ["back_pay:back_pay_missing"]),
    ("W1,,3171014507700001,Siti,1970-07-05,female,1,0,2026-09", ["back_pay:back_pay_malformed"]),
    ("W1,,3171014507700001,Siti,1970-07-05,female,1,5,2026-13", ["back_pay_period:back_pay_period_invalid"]),
    ("W1,,3171014507700001,Siti,1970-07-05,female,1,", [":field_count_differs"]),
    ("W1,,3171014507700001,Si\"ti,1970-07-05,female,1,,", [":line_malformed"]),
    (
      "W1,1,2,,x,y,z,0,",
      [
        "kpj:kpj_malformed", "nik:nik_malformed", "full_name:name_missing", "birth_date:birth_date_invalid",
        "sex:sex_invalid", "wage:wage_malformed", "back_pay:back_pay_malformed",
        "back_pay_period:back_pay_period_missing",
      ]
    ),
  ]

  @Test("what is found in a line", arguments: lines)
  func problems(example: (line: String, problems: [String])) throws {
    let read = try Self.read(.csv, Self.header + example.line + "\n")
    try #require(read.count == 1)
    #expect(Self.codes(read[0]) == example.problems)
  }

  @Test("bytes that aren't UTF-8 cost one line")
  func encoding() throws {
    var bytes = Array((Self.header + "W1,,3171014507700001,Sit").utf8)
    bytes += [0xE9]
    bytes += Array(",1970-07-05,female,1,,\nW2,,3171014507700001,Siti,1970-07-05,female,1,,\n".utf8)
    var reader = PayrollReader(.csv)
    let lines = try reader.start(bytes, isWhole: true) + reader.finish()
    #expect(lines.map(Self.codes) == [[":encoding_invalid"], []])
  }

  @Test("columns in any order, without those that aren't needed")
  func columns() throws {
    let read = try Self.read(.csv, "wage,birth_date,nik,full_name\r\n7500000,1970-07-05,3171014507700001,Siti\r\n")
    #expect(read.map(Self.codes) == [[]])
    #expect(read.first?.wage == 7_500_000)
    #expect(read.first?.name?.text == "Siti")
  }

  @Test(
    "a header that can't be used is refused",
    arguments: [
      "", "\n", "a,b\n", "kpj,full_name,birth_date\n", "wage,birth_date,full_name\n",
      "kpj,kpj,wage,birth_date,full_name\n", "kpj,wage,birth_date,full_name,salary\n", "\"kpj,wage\n",
    ])
  func badHeader(text: String) {
    #expect(throws: Failure.self) { try Self.read(.csv, text) }
  }

  @Test("NDJSON and JSON say the same as CSV")
  func otherForms() throws {
    let object = """
      {"line_key":"W1","nik":"3171014507700001","full_name":"Siti","birth_date":"1970-07-05","wage":7500000}
      """
    let ndjson = try Self.read(.ndjson, object + "\r\n\n" + #"{"salary": 1}"# + "\n[1]\n{\n" + object)
    #expect(
      ndjson.map(Self.codes) == [[], [":line_malformed"], [":line_malformed"], [":line_malformed"], []])
    let json = try Self.read(.json, #"{"lines":["# + object + #",{"wage":true}]}"#)
    #expect(json.map(Self.codes) == [[], [":line_malformed"]])
    #expect(ndjson.first?.wage == 7_500_000 && json.first?.wage == 7_500_000)
    for wrong in ["[]", "{}", #"{"lines":1}"#, #"{"lines":[],"more":1}"#, "{"] {
      #expect(throws: Failure.self) { try Self.read(.json, wrong) }
    }
  }

  @Test("a Content-Digest is read as RFC 9530 writes it")
  func contentDigest() throws {
    let header = "sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=:"
    #expect(try ContentDigest(header).sha256.prefix(3) == [0xB9, 0x4D, 0x27])
    for same in ["sha-512=:AAAA:, \(header)", "\(header) ,\tsha-512=:AAAA:", header + ";x=1"] {
      #expect(try ContentDigest(same) == ContentDigest(header))
    }
    for wrong in [
      "", "sha-256", "sha-256=", "sha-256=:AAAA:", "sha-256=uU0n", "sha-512=:AAAA:", "=:AAAA:", header + ",",
      header + "x",
    ] {
      #expect(throws: Failure.self) { try ContentDigest(wrong) }
    }
  }

  @Test("a payment code has twelve digits; whether it was given out is for the database to say")
  func paymentCode() throws {
    for code in ["100000000016", "100000000017"] { #expect(try PaymentCode(parsing: code).digits == code) }
    for wrong in ["10000000001", "1000000000160", "10000000001x", ""] {
      #expect(throws: (any Error).self) { try PaymentCode(parsing: wrong) }
    }
  }

  private static func read(_ format: PayrollFormat, _ text: String) throws -> [PayrollLine] {
    var reader = PayrollReader(format)
    return try reader.start(Array(text.utf8), isWhole: true) + reader.finish()
  }

  private static func codes(_ line: PayrollLine) -> [String] {
    line.problems.map { "\($0.field?.rawValue ?? ""):\($0.code)" }
  }
}
