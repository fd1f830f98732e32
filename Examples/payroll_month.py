"""The payroll month of the walkthrough, and what it must cost: computed apart from the server, from the parameters that
the server publishes. A payroll system can reconcile in the same way."""
import csv
import datetime
import decimal
import pathlib

HERE = pathlib.Path(__file__).resolve().parent

# The ten wrong lines of the file, by what is wrong with each: (field, code).
WRONG = {
    "10-digit KPJ": ("kpj", "kpj_malformed"), "15-digit NIK": ("nik", "nik_malformed"),
    "letter in NIK": ("nik", "nik_malformed"), "no name": ("full_name", "name_missing"),
    "no such day": ("birth_date", "birth_date_invalid"), "negative wage": ("wage", "wage_negative"),
    "half a rupiah": ("wage", "wage_not_whole"), "no wage": ("wage", "wage_missing"),
    "worker of line 3": ("", "duplicate_worker"), "another's KPJ": ("kpj", "identity_mismatch"),
}


class Law:
    """What a month's wage costs, by the parameters that the server publishes; risk class III, a medium firm."""

    def __init__(self, first_day, rows):
        self.first_day = first_day
        self.rows = {(row["programme"].upper(), row["parameter"]): row["value"] for row in rows}
        if self.rows["ALL", "pu.contribution_rounding"] != "half_up":
            raise ValueError("amounts are rounded by another rule than half up")

    def number(self, programme, name):
        return decimal.Decimal(self.rows[programme, name])

    def part(self, base, programme, name):
        exact = base * self.number(programme, name) / 100
        return int(exact.quantize(decimal.Decimal(1), decimal.ROUND_HALF_UP))

    def age_limit(self, born, programme, name):
        """The day on which somebody reaches an age that is a parameter."""
        year, month, day = map(int, born.split("-"))
        year += int(self.number(programme, name))
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        return f"{year}-{month:02}-{28 if (month, day) == (2, 29) and not leap else day:02}"

    def amounts(self, wage, born, joined, reported=0):
        """Of a wage on top of what was reported for the month before."""
        in_jp = self.age_limit(born, "JP", "retirement_age_years") > self.first_day
        in_jkp = in_jp and self.age_limit(born, "JKP", "eligibility.max_age_at_registration_years") > joined
        jp_base = self.capped(wage, reported, "JP") if in_jp else 0
        jkp_base = self.capped(wage, reported, "JKP") if in_jkp else 0
        jkk = self.part(wage, "JKK", "pu.rate.class_III_employer_pct")
        jkm = self.part(wage, "JKM", "pu.rate.employer_pct")
        from_jkk = min(jkk, self.part(jkp_base, "JKK", "recomposition_to_jkp_pct"))
        from_jkm = min(jkm, self.part(jkp_base, "JKM", "recomposition_to_jkp_pct"))
        return {
            "jht": {"employer": self.part(wage, "JHT", "pu.rate.employer_pct"),
                    "worker": self.part(wage, "JHT", "pu.rate.worker_pct")},
            "jkk": {"employer": jkk, "to_jkp": from_jkk}, "jkm": {"employer": jkm, "to_jkp": from_jkm},
            "jp": {"employer": self.part(jp_base, "JP", "pu.rate.employer_pct"),
                   "worker": self.part(jp_base, "JP", "pu.rate.worker_pct")},
            "jkp": {"recomposed": from_jkk + from_jkm, "state": self.part(jkp_base, "JKP", "rate.state_pct")},
        }

    def capped(self, wage, reported, programme):
        ceiling = int(self.number(programme, "wage_ceiling_idr"))
        return min(reported + wage, ceiling) - min(reported, ceiling)


def total(all_amounts):
    """Amounts added up, in the same shape."""
    sums = {}
    for amounts in all_amounts:
        for programme, sides in amounts.items():
            for side, rupiah in sides.items():
                sums.setdefault(programme, {}).setdefault(side, 0)
                sums[programme][side] += rupiah
    return sums


def due(sums):
    return sum(sums[p]["employer"] + sums[p].get("worker", 0) for p in ("jht", "jkk", "jkm", "jp"))


class Month:
    """The payroll file, and the members whom the agency knew before it."""

    def __init__(self):
        self.members_file = HERE / "members-2026-09.csv"
        self.bytes = (HERE / "payroll-2026-10.csv").read_bytes()
        self.lines = list(csv.DictReader(self.bytes.decode().splitlines()))
        with self.members_file.open(newline="", encoding="utf-8") as file:
            self.known = list(csv.DictReader(file))
        # Who is 56 when the month ends.
        self.retiring = [row for row in self.lines if "1969-11" <= row["birth_date"] < "1970-11" and row["kpj"]]

    def fault(self, line):
        """What is wrong with a line, None when nothing is. Compared with what was sent, never with the answer."""
        kpj, nik, wage = line["kpj"], line["nik"], line["wage"]
        owner = next((row for row in self.known if row["kpj"] == kpj), None)
        if kpj and len(kpj) != 11:
            return "10-digit KPJ"
        if len(nik) != 16:
            return "15-digit NIK"
        if not nik.isdigit():
            return "letter in NIK"
        if not line["full_name"]:
            return "no name"
        try:
            datetime.date.fromisoformat(line["birth_date"])
        except ValueError:
            return "no such day"
        if not wage.isdigit():
            return "no wage" if not wage else "negative wage" if wage.startswith("-") else "half a rupiah"
        first = next(other for other in self.lines if other["nik"] == nik)
        if first is not line:
            return "worker of line 3"
        return "another's KPJ" if owner and owner["nik"] != nik else None
