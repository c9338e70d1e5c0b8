"""Errors in words: the specification's names with the prefix of their type, and those of experimenters' errors."""

from daoli.ofproto.constants import ERROR_CODES, NICIRA, ONF, ErrorType

_PREFIXES: dict[int, str] = {
    ErrorType.HELLO_FAILED: "OFPHFC",
    ErrorType.BAD_REQUEST: "OFPBRC",
    ErrorType.BAD_ACTION: "OFPBAC",
    ErrorType.BAD_INSTRUCTION: "OFPBIC",
    ErrorType.BAD_MATCH: "OFPBMC",
    ErrorType.FLOW_MOD_FAILED: "OFPFMFC",
    ErrorType.GROUP_MOD_FAILED: "OFPGMFC",
    ErrorType.PORT_MOD_FAILED: "OFPPMFC",
    ErrorType.TABLE_MOD_FAILED: "OFPTMFC",
    ErrorType.QUEUE_OP_FAILED: "OFPQOFC",
    ErrorType.SWITCH_CONFIG_FAILED: "OFPSCFC",
    ErrorType.ROLE_REQUEST_FAILED: "OFPRRFC",
    ErrorType.METER_MOD_FAILED: "OFPMMFC",
    ErrorType.TABLE_FEATURES_FAILED: "OFPTFFC",
}

_OF_EXPERIMENTERS: dict[tuple[int, int], str] = {
    (NICIRA, 2): "NXBRC_NXM_INVALID",
    (NICIRA, 3): "NXBRC_NXM_BAD_TYPE",
    (NICIRA, 4): "NXBRC_MUST_BE_ZERO",
    (NICIRA, 5): "NXBRC_BAD_REASON",
    (NICIRA, 6): "OFPMOFC_MONITOR_EXISTS",
    (NICIRA, 7): "OFPMOFC_BAD_FLAGS",
    (NICIRA, 8): "OFPMOFC_UNKNOWN_MONITOR",
    (NICIRA, 9): "NXBRC_FM_BAD_EVENT",
    (NICIRA, 10): "NXBRC_UNENCODABLE_ERROR",
    (NICIRA, 11): "NXBAC_MUST_BE_ZERO",
    (NICIRA, 12): "NXFMFC_HARDWARE",
    (NICIRA, 13): "NXFMFC_BAD_TABLE_ID",
    (NICIRA, 15): "NXBAC_BAD_CONJUNCTION",
    (NICIRA, 16): "NXTTMFC_BAD_COMMAND",
    (NICIRA, 17): "NXTTMFC_BAD_OPT_LEN",
    (NICIRA, 18): "NXTTMFC_BAD_FIELD_IDX",
    (NICIRA, 19): "NXTTMFC_TABLE_FULL",
    (NICIRA, 20): "NXTTMFC_ALREADY_MAPPED",
    (NICIRA, 21): "NXTTMFC_DUP_ENTRY",
    (NICIRA, 34): "NXR_NOT_SUPPORTED",
    (NICIRA, 35): "NXR_STALE",
    (NICIRA, 36): "NXST_NOT_CONFIGURED",
    (NICIRA, 37): "NXFMFC_INVALID_TLV_FIELD",
    (NICIRA, 38): "NXTTMFC_INVALID_TLV_DEL",
    (NICIRA, 39): "NXBAC_BAD_HEADER_TYPE",
    (NICIRA, 40): "NXBAC_UNKNOWN_ED_PROP",
    (NICIRA, 41): "NXBAC_BAD_ED_PROP",
    (NICIRA, 42): "NXBAC_CT_DATAPATH_SUPPORT",
    (NICIRA, 43): "NXBMC_CT_DATAPATH_SUPPORT",
    (NICIRA, 44): "NXTFFC_DUP_TABLE",
    (ONF, 2300): "OFPBFC_UNKNOWN",
    (ONF, 2301): "OFPBFC_EPERM",
    (ONF, 2302): "OFPBFC_BAD_ID",
    (ONF, 2303): "OFPBFC_BUNDLE_EXIST",
    (ONF, 2304): "OFPBFC_BUNDLE_CLOSED",
    (ONF, 2305): "OFPBFC_OUT_OF_BUNDLES",
    (ONF, 2306): "OFPBFC_BAD_TYPE",
    (ONF, 2307): "OFPBFC_BAD_FLAGS",
    (ONF, 2308): "OFPBFC_MSG_BAD_LEN",
    (ONF, 2309): "OFPBFC_MSG_BAD_XID",
    (ONF, 2310): "OFPBFC_MSG_UNSUP",
    (ONF, 2311): "OFPBFC_MSG_CONFLICT",
    (ONF, 2312): "OFPBFC_MSG_TOO_MANY",
    (ONF, 2313): "OFPBFC_MSG_FAILED",
    (ONF, 2314): "OFPBFC_TIMEOUT",
    (ONF, 2315): "OFPBFC_BUNDLE_IN_PROGRESS",
    (ONF, 2360): "OFPFMFC_BAD_PRIORITY",
    (ONF, 2370): "OFPACFC_INVALID",
    (ONF, 2371): "OFPACFC_UNSUPPORTED",
    (ONF, 2372): "OFPACFC_EPERM",
    (ONF, 2600): "OFPBIC_DUP_INST",
    (ONF, 2640): "OFPBRC_MULTIPART_REQUEST_TIMEOUT",
    (ONF, 2641): "OFPBRC_MULTIPART_REPLY_TIMEOUT",
}


def error_text(kind: int, code: int, experimenter: int | None = None) -> str:
    """Name an error, or give its numbers."""
    if experimenter is not None:
        known = _OF_EXPERIMENTERS.get((experimenter, code))
        return known or f"EXPERIMENTER/{code} experimenter={experimenter:#x}"
    codes = ERROR_CODES.get(kind)
    if codes is None or code not in list(codes):
        return f"{_PREFIXES.get(kind, kind)}/{code}"
    return f"{_PREFIXES[kind]}_{codes(code).name}"
