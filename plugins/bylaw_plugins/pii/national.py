"""Numbers that states give to persons: form, check digits, and the words that announce bare digits.

Law of this table: a number counts without a word near it only if its form (letters, fixed separators) or its
check digits make a chance hit in ordinary text rarer than one in a thousand numbers of that length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from stdnum import luhn, verhoeff

from bylaw.spec import Rule

LABEL = "ID"


@dataclass(frozen=True, slots=True)
class _Number:
    """One number of one country (ISO 3166). `check` names a module of stdnum; `words` are RE2, any case."""

    country: str
    name: str
    expression: str
    check: str = ""
    words: str = ""


_SPACED_11 = r"\d{2}[ .]?\d{3}[ .]?\d{3}[ .]?\d{3}"
_NUMBERS: tuple[_Number, ...] = (
    _Number("US", "us_ssn", r"\d{3}-\d{2}-\d{4}", "us.ssn"),
    _Number("US", "us_ssn", r"\d{3} ?\d{2} ?\d{4}", "us.ssn", r"\bssn\b|social security|\bsoc\.? ?sec"),
    _Number("US", "us_itin", r"9\d{2}-\d{2}-\d{4}", "us.itin"),
    _Number("US", "us_itin", r"9\d{8}", "us.itin", r"\bitin\b|tax(?:payer)? id"),
    _Number("GB", "gb_nino", r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] \d{2} \d{2} \d{2} [A-D]"),
    _Number(
        "GB", "gb_nino", r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{6} ?[A-D]", "",
        r"national insurance|\bnino\b|\bni (?:number|no)",
    ),
    _Number("GB", "gb_nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", "gb.nhs", r"\bnhs\b"),
    _Number("DE", "de_idnr", _SPACED_11, "de.idnr", r"steuer|\bid-?nr|tax id|\btin\b"),
    _Number("FR", "fr_nir", r"[12] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}", "fr.nir"),
    _Number("FR", "fr_nif", r"[0-3]\d ?\d{2} ?\d{3} ?\d{3} ?\d{3}", "fr.nif", r"fiscal|\bnif\b|\bspi\b"),
    _Number("ES", "es_dni", r"\d{8}-?[A-HJ-NP-TV-Z]", "es.dni", r"\bdni\b|\bnif\b|documento"),
    _Number("ES", "es_nie", r"[XYZ]-?\d{7}-?[A-Z]", "es.nie"),
    _Number("IT", "it_codice_fiscale", r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", "it.codicefiscale"),
    _Number("NL", "nl_bsn", r"\d{4}[ .]?\d{2}[ .]?\d{3}", "nl.bsn", r"\bbsn\b|burgerservice|sofinummer"),
    _Number("BE", "be_nn", r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", "be.nn"),
    _Number("BE", "be_nn", r"\d{11}", "be.nn", r"rijksregister|registre nat|\bniss\b|\binsz\b"),
    _Number("PL", "pl_pesel", r"\d{11}", "pl.pesel", r"pesel"),
    _Number("PT", "pt_nif", r"\d{3} ?\d{3} ?\d{3}", "pt.nif", r"\bnif\b|contribuinte|\bnic\b"),
    _Number("SE", "se_personnummer", r"(?:\d{2})?\d{6}[-+]?\d{4}", "se.personnummer", r"person-?n(?:umme)?r"),
    _Number("FI", "fi_hetu", r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]", "fi.hetu"),
    _Number("DK", "dk_cpr", r"\d{6}-?\d{4}", "dk.cpr", r"\bcpr\b|personnummer"),
    _Number("NO", "no_fodselsnummer", r"\d{6} ?\d{5}", "no.fodselsnummer", r"f(?:ø|oe?)dsels|personnummer"),
    _Number("CH", "ch_ahv", r"756\.?\d{4}\.?\d{4}\.?\d{2}", "ch.ssn"),
    _Number("AT", "at_svnr", r"\d{4} ?\d{6}", "at.vnr", r"versicherungsn|\bsvnr\b|\bsv-?nr"),
    _Number("IE", "ie_pps", r"\d{7}[A-W][A-IW]?", "ie.pps", r"\bpps"),
    _Number("CZ", "cz_rc", r"\d{6}/?\d{3,4}", "cz.rc", r"rodn|\brc\b|\brč\b"),
    _Number("RO", "ro_cnp", r"[1-9]\d{12}", "ro.cnp", r"\bcnp\b"),
    _Number("BG", "bg_egn", r"\d{10}", "bg.egn", r"\begn\b|егн"),
    _Number("HR", "hr_oib", r"\d{11}", "hr.oib", r"\boib\b"),
    _Number("GR", "gr_amka", r"\d{11}", "gr.amka", r"amka|αμκα"),
    _Number("EE", "ee_ik", r"[1-6]\d{10}", "ee.ik", r"isikukood"),
    _Number("LT", "lt_asmens", r"[1-6]\d{10}", "lt.asmens", r"asmens kod"),
    _Number("TR", "tr_tckimlik", r"[1-9]\d{10}", "tr.tckimlik", r"kimlik|\btckn\b"),
    _Number("IL", "il_idnr", r"\d{8,9}", "il.idnr", r"teudat|zehut|תעודת|israeli id"),
    _Number("ZA", "za_idnr", r"\d{6} ?\d{4} ?\d{3}", "za.idnr", r"\bid (?:number|no)|african id|\brsa id"),
    _Number("CN", "cn_ric", r"[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])[0-3]\d\d{3}[\dXx]", "cn.ric"),
    _Number("KR", "kr_rrn", r"\d{6}-\d{7}", "kr.rrn"),
    _Number("JP", "jp_my_number", r"\d{4}[ -]?\d{4}[ -]?\d{4}", "my_number", r"my ?number|マイナンバー|人番"),
    _Number("IN", "in_aadhaar", r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}", "verhoeff", r"aadh?aar|uidai|आधार"),
    _Number("IN", "in_pan", r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]", "in_.pan", r"\bpan\b|permanent account"),
    _Number("SG", "sg_nric", r"[STFGM]\d{7}[A-Z]", "sg_nric"),
    _Number("MY", "my_nric", r"\d{6}-\d{2}-\d{4}", "my.nric"),
    _Number("BR", "br_cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}", "br.cpf"),
    _Number("BR", "br_cpf", r"\d{11}", "br.cpf", r"\bcpf\b"),
    _Number("BR", "br_cnpj", r"\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}", "br.cnpj"),
    _Number("MX", "mx_curp", r"[A-Z][AEIOUX][A-Z]{2}\d{6}[HMX][A-Z]{5}[A-Z0-9]\d", "mx.curp"),
    _Number("CL", "cl_rut", r"\d{1,2}\.\d{3}\.\d{3}-[\dkK]", "cl.rut"),
    _Number("AR", "ar_cuit", r"\d{2}-\d{8}-\d", "ar.cuit"),
    _Number("CA", "ca_sin", r"\d{3}[ -]?\d{3}[ -]?\d{3}", "luhn", r"\bsin\b|social assurance soc|\bnas\b"),
    _Number("AU", "au_tfn", r"\d{3} ?\d{3} ?\d{3}", "au.tfn", r"\btfn\b|tax file"),
    _Number("AU", "au_medicare", r"[2-6]\d{3} ?\d{5} ?\d", "medicare", r"medicare"),
    _Number("NZ", "nz_ird", r"\d{2,3}[ -]?\d{3}[ -]?\d{3}", "nz.ird", r"\bird\b"),
)  # fmt: skip
COUNTRIES = frozenset(number.country for number in _NUMBERS)


def rules(countries: Sequence[str]) -> tuple[Rule, ...]:
    """The rules of these countries; of all, if none is named."""
    return tuple(_rule(number) for number in _NUMBERS if not countries or number.country in countries)


def _rule(number: _Number) -> Rule:
    return Rule(
        number.name,
        rf"\b(?:{number.expression})\b",
        LABEL,
        validate=_check(number.check),
        near=f"(?i)(?:{number.words})" if number.words else "",
        not_after="-./_",
        not_before="-_/",
    )


def _check(name: str) -> Callable[[str], bool] | None:
    if not name:
        return None
    own = _OWN.get(name)
    return own or partial(_is_valid, import_module(f"stdnum.{name}").is_valid)


def _is_valid(check: Callable[[str], bool], text: str) -> bool:
    return bool(check(text))


def _digits(text: str) -> list[int]:
    return [int(character) for character in text if character.isdigit()]


def _is_my_number(text: str) -> bool:
    """Ordinance No. 85 of 2014 of the Ministry of Internal Affairs and Communications, article 5."""
    digits = _digits(text)
    weights = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    rest = sum(digit * weight for digit, weight in zip(digits[:11], weights, strict=True)) % 11
    return digits[11] == (0 if rest <= 1 else 11 - rest)


def _is_medicare(text: str) -> bool:
    digits = _digits(text)
    weights = (1, 3, 7, 9, 1, 3, 7, 9)
    return digits[8] == sum(digit * weight for digit, weight in zip(digits[:8], weights, strict=True)) % 10


def _is_sg_nric(text: str) -> bool:
    """The check letter of NRIC and FIN numbers, as in use since 1968 (M: 2022)."""
    weights = (2, 7, 6, 5, 4, 3, 2)
    total = sum(digit * weight for digit, weight in zip(_digits(text), weights, strict=True))
    total += {"T": 4, "G": 4, "M": 3}.get(text[0], 0)
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "M": "KLJNPQRTUWX"}.get(text[0], "XWUTRQPNMLK")
    place = 10 - total % 11 if text[0] == "M" else total % 11
    return letters[place] == text[-1]


_OWN: dict[str, Callable[[str], bool]] = {
    "luhn": lambda text: bool(luhn.is_valid("".join(map(str, _digits(text))))),
    "verhoeff": lambda text: bool(verhoeff.is_valid("".join(map(str, _digits(text))))),
    "my_number": _is_my_number,
    "medicare": _is_medicare,
    "sg_nric": _is_sg_nric,
}
