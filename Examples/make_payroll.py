#!/usr/bin/env python3
"""Writes a payroll month as employers send it, and the members that the agency knew before it.

Everything follows from the seed: the same arguments give the same bytes. No line describes a real person; a NIK has the
shape PPRRSS DDMMYY NNNN (place, birth date with 40 added to a woman's day, serial), a KPJ has 11 digits.

    make_payroll.py                         the two files that lie beside this script
    make_payroll.py --lines 100000 --seed 7 --no-errors --payroll big.csv --members known.csv
"""
import argparse
import csv
import datetime
import pathlib
import random

HERE = pathlib.Path(__file__).resolve().parent
COLUMNS = ["line_key", "kpj", "nik", "full_name", "birth_date", "sex", "wage", "back_pay", "back_pay_period"]
MEMBER_COLUMNS = ["kpj", "nik", "full_name", "birth_date", "sex"]

MEN = """Agus Ahmad Andi Arif Asep Bagus Bambang Budi Cahyo Dadang Dedi Dimas Eko Fajar Faisal Gede Gilang Hadi
Hendra Heru Ilham Imam Indra Iwan Joko Ketut Made Muhammad Nyoman Oki Putra Rahmat Rizki Rudi Slamet
Sugeng Surya Taufik Teguh Tri Umar Wahyu Wayan Yanto Yohanes Yusuf Zainal Markus Petrus Stefanus""".split()
WOMEN = """Ani Ayu Citra Desi Dewi Dian Dwi Eka Endang Fatimah Fitri Gita Hana Indah Intan Kadek Kartika Komang
Lestari Lina Lusi Maria Mega Nadia Ni Novi Nur Nurul Putri Rahayu Ratna Rina Rini Sari Siti Sri Sulastri
Tika Tuti Utami Vina Wati Wulan Yanti Yuli Yuni Zahra Kristina Elisabet Margaretha""".split()
FAMILY = """Anggraini Aritonang Batubara Cahyadi Daulay Firmansyah Ginting Gunawan Hakim Halim Harahap Hartono
Hasibuan Hidayat Hutapea Irawan Iskandar Kurniawan Kusuma Lubis Mahendra Manurung Maulana Mulyadi Nababan
Nainggolan Nasution Nugraha Nugroho Pangaribuan Panjaitan Permana Pohan Pradana Pranata Prasetyo Pratama
Purnomo Rahman Ramadhan Rangkuti Saputra Saragih Setiawan Siahaan Simanjuntak Simatupang Sinaga Siregar
Sitompul Suharto Sulistyo Suryadi Susanto Sutanto Syahputra Tambunan Tampubolon Tanjung Tarigan Wibowo
Wicaksono Widodo Wijaya Yulianto Yusuf""".split()
PLACES = """110101 127101 137105 147106 157103 167104 187102 217101 317101 317205 317306 317401 317502 320101 320405
321501 321607 327301 327506 327602 330101 331305 337101 337205 337401 340401 347103 350710 351401 352501
357301 357801 360301 367101 367404 510304 517102 520105 530101 610305 637101 647201 710203 730601 737102
747101 810101 817102 910101 917103""".split()

# Who is born within: most of them, and every tenth, who is 56 on 2026-10-31 and may retire.
WORKING = (datetime.date(1971, 1, 1), 36 * 365)
RETIRING = (datetime.date(1969, 11, 6), 360)
# A wage above the ceilings of JP and JKP, the same for every seed.
EXAMPLE_LINE, EXAMPLE_WAGE = 12, 12_000_000


class Population:
    """People with distinct NIKs and KPJs, drawn from one generator."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.niks, self.kpjs = set(), set()

    def person(self, first_day, days):
        sex = self.random.choice(["male", "female"])
        born = first_day + datetime.timedelta(days=self.random.randrange(days))
        first = self.random.choice(MEN if sex == "male" else WOMEN)
        names = [first, self.random.choice(FAMILY)]
        if self.random.random() < 0.3:
            names.insert(1, self.random.choice([n for n in (MEN if sex == "male" else WOMEN) if n != first]))
        return {"nik": self.nik(born, sex), "full_name": " ".join(names), "birth_date": born.isoformat(), "sex": sex}

    def nik(self, born, sex):
        while True:
            day = born.day + (40 if sex == "female" else 0)
            nik = f"{self.random.choice(PLACES)}{day:02}{born:%m%y}{self.random.randint(1, 9999):04}"
            if nik not in self.niks:
                self.niks.add(nik)
                return nik

    def kpj(self):
        """Numbers up to 25…; those that the agency gives out from 2026 on begin with 26."""
        while True:
            kpj = f"{self.random.randint(8, 25):02}{self.random.randrange(10**9):09}"
            if kpj not in self.kpjs:
                self.kpjs.add(kpj)
                return kpj

    def wage(self):
        """Whole rupiah, mostly a little above the minimum wage; about one in twelve is above the JP ceiling."""
        return 1000 * round(min(self.random.lognormvariate(8.55, 0.45), 60_000))


def make(seed, count):
    """The lines of the month and the members known before it: who may retire, and two in five of the others."""
    population = Population(seed)
    lines, members = [], []
    for number in range(1, count + 1):
        retiring = number % 10 == 5
        person, wage = population.person(*RETIRING if retiring else WORKING), population.wage()
        if number == EXAMPLE_LINE:
            wage = EXAMPLE_WAGE
        if retiring or number == EXAMPLE_LINE or population.random.random() < 0.4:
            person["kpj"] = population.kpj()
            members.append(person)
        line = {"line_key": f"W{number:04}", "kpj": "", **person, "wage": str(wage), "back_pay": "",
                "back_pay_period": ""}
        if number % 97 == 0:
            line |= {"back_pay": str(population.random.randint(1, 20) * 50_000), "back_pay_period": "2026-09"}
        lines.append(line)
    return lines, members


def spoil(lines, members):
    """Ten lines wrong in ten ways. Each stays recognisable by its line_key; the other lines stand."""
    new = [line for line in lines[20:] if not line["kpj"] and not line["back_pay"]]
    faults = [
        {"kpj": "1402233445"},                                                       # 10 digits
        {"nik": "327506540892123"},                                                  # 15 digits
        {"nik": "32750654O8921237"},                                                 # a letter O for a zero
        {"full_name": ""},
        {"birth_date": "1990-02-30"},                                                # no such day
        {"wage": "-4250000"},
        {"wage": "4250000.50"},
        {"wage": ""},
        {name: lines[2][name] for name in ("kpj", "nik", "full_name", "birth_date", "sex")},   # the worker of line 3
        {"kpj": members[0]["kpj"]},                                                # another person's number
    ]
    step = len(new) // len(faults)
    for line, fault in zip(new[::step], faults):
        line |= fault


def write(path, columns, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=20261005)
    parser.add_argument("--no-errors", action="store_true", help="leave every line right")
    parser.add_argument("--payroll", type=pathlib.Path, default=HERE / "payroll-2026-10.csv")
    parser.add_argument("--members", type=pathlib.Path, default=HERE / "members-2026-09.csv")
    arguments = parser.parse_args()
    lines, members = make(arguments.seed, arguments.lines)
    if not arguments.no_errors:
        spoil(lines, members)
    write(arguments.payroll, COLUMNS, lines)
    write(arguments.members, MEMBER_COLUMNS, members)


if __name__ == "__main__":
    main()
