"""Numbers that OpenFlow 1.3.5 and Open vSwitch give a name to.

Members bear the specification's names without the prefix (OFPT_FLOW_MOD is `MessageType.FLOW_MOD`). Decoded fields are
plain ints, so that a value without a name is carried as it came; compare them with these, which are ints too.
"""

from collections.abc import Mapping
from enum import IntEnum, IntFlag
from types import MappingProxyType


class Number(IntEnum):
    """A number with a name; shown as Python says it, so that a message's `repr` is an expression."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"


class Bits(IntFlag):
    """Bits with names; shown as Python says them."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value:#x})"


VERSION = 4
"""The header's version of OpenFlow 1.3 (7.1.1)."""

NO_BUFFER = 0xFFFF_FFFF
"""OFP_NO_BUFFER: the packet itself is in the message (7.4.1)."""

TABLE_ALL = 0xFF
"""OFPTT_ALL: every table, in a delete or a request for statistics (7.3.4.1)."""

CML_NO_BUFFER = 0xFFFF
"""OFPCML_NO_BUFFER: send the whole packet, do not buffer it (7.3.2)."""

NICIRA = 0x0000_2320
"""The experimenter id of Nicira, under which Open vSwitch keeps its extensions."""

ONF = 0x4F4E_4600
"""The experimenter id of the ONF, under which later versions' features came to 1.3."""

NSH = 0x005A_D650
"""The experimenter id that Open vSwitch has the fields of network service headers under."""


class MessageType(Number):
    """What a message is (7.1.1)."""

    HELLO = 0
    ERROR = 1
    ECHO_REQUEST = 2
    ECHO_REPLY = 3
    EXPERIMENTER = 4
    FEATURES_REQUEST = 5
    FEATURES_REPLY = 6
    GET_CONFIG_REQUEST = 7
    GET_CONFIG_REPLY = 8
    SET_CONFIG = 9
    PACKET_IN = 10
    FLOW_REMOVED = 11
    PORT_STATUS = 12
    PACKET_OUT = 13
    FLOW_MOD = 14
    GROUP_MOD = 15
    PORT_MOD = 16
    TABLE_MOD = 17
    MULTIPART_REQUEST = 18
    MULTIPART_REPLY = 19
    BARRIER_REQUEST = 20
    BARRIER_REPLY = 21
    QUEUE_GET_CONFIG_REQUEST = 22
    QUEUE_GET_CONFIG_REPLY = 23
    ROLE_REQUEST = 24
    ROLE_REPLY = 25
    GET_ASYNC_REQUEST = 26
    GET_ASYNC_REPLY = 27
    SET_ASYNC = 28
    METER_MOD = 29


class MultipartType(Number):
    """What a multipart message asks for or carries (7.3.5)."""

    DESC = 0
    FLOW = 1
    AGGREGATE = 2
    TABLE = 3
    PORT_STATS = 4
    QUEUE = 5
    GROUP = 6
    GROUP_DESC = 7
    GROUP_FEATURES = 8
    METER = 9
    METER_CONFIG = 10
    METER_FEATURES = 11
    TABLE_FEATURES = 12
    PORT_DESC = 13
    EXPERIMENTER = 0xFFFF


class MultipartFlags(Bits):
    """Whether more of a multipart message follows (7.3.5)."""

    MORE = 1


class HelloElementType(Number):
    """What an element of a hello says (7.5.1)."""

    VERSIONBITMAP = 1


class PortNo(Number):
    """Reserved ports, and the highest number of an ordinary one (7.2.1)."""

    MAX = 0xFFFF_FF00
    IN_PORT = 0xFFFF_FFF8
    TABLE = 0xFFFF_FFF9
    NORMAL = 0xFFFF_FFFA
    FLOOD = 0xFFFF_FFFB
    ALL = 0xFFFF_FFFC
    CONTROLLER = 0xFFFF_FFFD
    LOCAL = 0xFFFF_FFFE
    ANY = 0xFFFF_FFFF


class GroupNo(Number):
    """Reserved groups, and the highest number of an ordinary one (7.3.4.2)."""

    MAX = 0xFFFF_FF00
    ALL = 0xFFFF_FFFC
    ANY = 0xFFFF_FFFF


class QueueNo(Number):
    """The number that stands for every queue (7.3.5.8)."""

    ALL = 0xFFFF_FFFF


class MeterNo(Number):
    """Reserved meters, and the highest number of an ordinary one (7.3.4.4)."""

    MAX = 0xFFFF_0000
    SLOWPATH = 0xFFFF_FFFD
    CONTROLLER = 0xFFFF_FFFE
    ALL = 0xFFFF_FFFF


class TableNo(Number):
    """The number that stands for every table, and the highest one of a table (7.3.3)."""

    MAX = 0xFE
    ALL = 0xFF


class PortConfig(Bits):
    """What an administrator asked of a port (7.2.1)."""

    PORT_DOWN = 1 << 0
    NO_RECV = 1 << 2
    NO_FWD = 1 << 5
    NO_PACKET_IN = 1 << 6


class PortState(Bits):
    """What the datapath finds a port to be (7.2.1)."""

    LINK_DOWN = 1 << 0
    BLOCKED = 1 << 1
    LIVE = 1 << 2


class PortFeatures(Bits):
    """What a port can do, does, or tells its peer (7.2.1)."""

    HD_10MB = 1 << 0
    FD_10MB = 1 << 1
    HD_100MB = 1 << 2
    FD_100MB = 1 << 3
    HD_1GB = 1 << 4
    FD_1GB = 1 << 5
    FD_10GB = 1 << 6
    FD_40GB = 1 << 7
    FD_100GB = 1 << 8
    FD_1TB = 1 << 9
    OTHER = 1 << 10
    COPPER = 1 << 11
    FIBER = 1 << 12
    AUTONEG = 1 << 13
    PAUSE = 1 << 14
    PAUSE_ASYM = 1 << 15


class PortReason(Number):
    """Why a port_status was sent (7.4.3)."""

    ADD = 0
    DELETE = 1
    MODIFY = 2


class Capabilities(Bits):
    """What a datapath can do (7.3.1)."""

    FLOW_STATS = 1 << 0
    TABLE_STATS = 1 << 1
    PORT_STATS = 1 << 2
    GROUP_STATS = 1 << 3
    IP_REASM = 1 << 5
    QUEUE_STATS = 1 << 6
    PORT_BLOCKED = 1 << 8


class ConfigFlags(Number):
    """What becomes of IP fragments (7.3.2)."""

    FRAG_NORMAL = 0
    FRAG_DROP = 1
    FRAG_REASM = 2
    FRAG_MASK = 3


class PacketInReason(Number):
    """Why a packet was sent to the controller (7.4.1)."""

    NO_MATCH = 0
    ACTION = 1
    INVALID_TTL = 2


class FlowModCommand(Number):
    """What a flow_mod does (7.3.4.1)."""

    ADD = 0
    MODIFY = 1
    MODIFY_STRICT = 2
    DELETE = 3
    DELETE_STRICT = 4


class FlowModFlags(Bits):
    """How a flow behaves (7.3.4.1)."""

    SEND_FLOW_REM = 1 << 0
    CHECK_OVERLAP = 1 << 1
    RESET_COUNTS = 1 << 2
    NO_PKT_COUNTS = 1 << 3
    NO_BYT_COUNTS = 1 << 4


class FlowRemovedReason(Number):
    """Why a flow is gone (7.4.2); the last one is Open vSwitch's."""

    IDLE_TIMEOUT = 0
    HARD_TIMEOUT = 1
    DELETE = 2
    GROUP_DELETE = 3
    METER_DELETE = 4
    EVICTION = 5


class PacketInMask(Bits):
    """Which packet_ins a controller gets: a bit for each reason (7.3.10)."""

    NO_MATCH = 1 << PacketInReason.NO_MATCH
    ACTION = 1 << PacketInReason.ACTION
    INVALID_TTL = 1 << PacketInReason.INVALID_TTL


class PortStatusMask(Bits):
    """Which port_status messages a controller gets: a bit for each reason (7.3.10)."""

    ADD = 1 << PortReason.ADD
    DELETE = 1 << PortReason.DELETE
    MODIFY = 1 << PortReason.MODIFY


class FlowRemovedMask(Bits):
    """Which flow_removed messages a controller gets: a bit for each reason (7.3.10)."""

    IDLE_TIMEOUT = 1 << FlowRemovedReason.IDLE_TIMEOUT
    HARD_TIMEOUT = 1 << FlowRemovedReason.HARD_TIMEOUT
    DELETE = 1 << FlowRemovedReason.DELETE
    GROUP_DELETE = 1 << FlowRemovedReason.GROUP_DELETE
    METER_DELETE = 1 << FlowRemovedReason.METER_DELETE


class GroupModCommand(Number):
    """What a group_mod does (7.3.4.2); the last one is Open vSwitch's."""

    ADD = 0
    MODIFY = 1
    DELETE = 2
    ADD_OR_MOD = 0x8000


class GroupType(Number):
    """Which buckets of a group are carried out (7.3.4.2)."""

    ALL = 0
    SELECT = 1
    INDIRECT = 2
    FF = 3


class GroupCapabilities(Bits):
    """What a datapath can do with groups (7.3.5.11)."""

    SELECT_WEIGHT = 1 << 0
    SELECT_LIVENESS = 1 << 1
    CHAINING = 1 << 2
    CHAINING_CHECKS = 1 << 3


class MeterModCommand(Number):
    """What a meter_mod does (7.3.4.4)."""

    ADD = 0
    MODIFY = 1
    DELETE = 2


class MeterFlags(Bits):
    """How a meter counts (7.3.4.4)."""

    KBPS = 1 << 0
    PKTPS = 1 << 1
    BURST = 1 << 2
    STATS = 1 << 3


class MeterBandType(Number):
    """What a meter does with packets above a rate (7.3.4.4)."""

    DROP = 1
    DSCP_REMARK = 2
    EXPERIMENTER = 0xFFFF


class QueuePropertyType(Number):
    """What is said of a queue (7.2.2)."""

    MIN_RATE = 1
    MAX_RATE = 2
    EXPERIMENTER = 0xFFFF


class TableConfig(Bits):
    """Bits of a table's configuration, all of them deprecated (7.3.3)."""

    DEPRECATED_MASK = 3


class TablePropertyType(Number):
    """What is said of a table's features (7.3.5.5.2); MISS is about the table-miss flow."""

    INSTRUCTIONS = 0
    INSTRUCTIONS_MISS = 1
    NEXT_TABLES = 2
    NEXT_TABLES_MISS = 3
    WRITE_ACTIONS = 4
    WRITE_ACTIONS_MISS = 5
    APPLY_ACTIONS = 6
    APPLY_ACTIONS_MISS = 7
    MATCH = 8
    WILDCARDS = 10
    WRITE_SETFIELD = 12
    WRITE_SETFIELD_MISS = 13
    APPLY_SETFIELD = 14
    APPLY_SETFIELD_MISS = 15
    EXPERIMENTER = 0xFFFE
    EXPERIMENTER_MISS = 0xFFFF


class ControllerRole(Number):
    """What a controller is to a datapath (7.3.9)."""

    NOCHANGE = 0
    EQUAL = 1
    MASTER = 2
    SLAVE = 3


class MatchType(Number):
    """How a match is written (7.2.3.1); the first is deprecated and refused."""

    STANDARD = 0
    OXM = 1


class OxmClass(Number):
    """Who defines a match field (7.2.3.3)."""

    NXM_0 = 0x0000
    NXM_1 = 0x0001
    ERICSSON = 0x1000
    OPENFLOW_BASIC = 0x8000
    PACKET_REGS = 0x8001
    EXPERIMENTER = 0xFFFF


class VlanId(Bits):
    """What a match on vlan_vid says besides the number (7.2.3.7)."""

    NONE = 0x0000
    PRESENT = 0x1000


class Ipv6ExtHdr(Bits):
    """Which extension headers an IPv6 packet has, and whether in order (7.2.3.7)."""

    NONEXT = 1 << 0
    ESP = 1 << 1
    AUTH = 1 << 2
    DEST = 1 << 3
    FRAG = 1 << 4
    ROUTER = 1 << 5
    HOP = 1 << 6
    UNREP = 1 << 7
    UNSEQ = 1 << 8


class InstructionType(Number):
    """What an instruction does (7.2.4)."""

    GOTO_TABLE = 1
    WRITE_METADATA = 2
    WRITE_ACTIONS = 3
    APPLY_ACTIONS = 4
    CLEAR_ACTIONS = 5
    METER = 6
    EXPERIMENTER = 0xFFFF


class ActionType(Number):
    """What an action does (7.2.5)."""

    OUTPUT = 0
    COPY_TTL_OUT = 11
    COPY_TTL_IN = 12
    SET_MPLS_TTL = 15
    DEC_MPLS_TTL = 16
    PUSH_VLAN = 17
    POP_VLAN = 18
    PUSH_MPLS = 19
    POP_MPLS = 20
    SET_QUEUE = 21
    GROUP = 22
    SET_NW_TTL = 23
    DEC_NW_TTL = 24
    SET_FIELD = 25
    PUSH_PBB = 26
    POP_PBB = 27
    EXPERIMENTER = 0xFFFF


class NiciraSubtype(Number):
    """Which of Open vSwitch's own actions an experimenter action is (its nicira-ext.h)."""

    RESUBMIT = 1
    SET_TUNNEL = 2
    SET_QUEUE = 4
    POP_QUEUE = 5
    REG_MOVE = 6
    REG_LOAD = 7
    NOTE = 8
    SET_TUNNEL64 = 9
    MULTIPATH = 10
    BUNDLE = 12
    BUNDLE_LOAD = 13
    RESUBMIT_TABLE = 14
    OUTPUT_REG = 15
    LEARN = 16
    EXIT = 17
    DEC_TTL = 18
    FIN_TIMEOUT = 19
    CONTROLLER = 20
    DEC_TTL_CNT_IDS = 21
    WRITE_METADATA = 22
    PUSH_MPLS = 23
    POP_MPLS = 24
    SET_MPLS_TTL = 25
    DEC_MPLS_TTL = 26
    STACK_PUSH = 27
    STACK_POP = 28
    SAMPLE = 29
    SET_MPLS_LABEL = 30
    SET_MPLS_TC = 31
    OUTPUT_REG2 = 32
    REG_LOAD2 = 33
    CONJUNCTION = 34
    CT = 35
    NAT = 36
    CONTROLLER2 = 37
    SAMPLE2 = 38
    OUTPUT_TRUNC = 39
    GROUP = 40
    SAMPLE3 = 41
    CLONE = 42
    CT_CLEAR = 43
    RESUBMIT_TABLE_CT = 44
    LEARN2 = 45
    ENCAP = 46
    DECAP = 47
    DEC_NSH_TTL = 48
    CHECK_PKT_LARGER = 49
    DELETE_FIELD = 50


class NiciraMessage(Number):
    """Which of Open vSwitch's own messages an experimenter message is (its nicira-ext.h)."""

    ROLE_REQUEST = 10
    ROLE_REPLY = 11
    SET_FLOW_FORMAT = 12
    FLOW_MOD_TABLE_ID = 15
    SET_PACKET_IN_FORMAT = 16
    PACKET_IN = 17
    FLOW_AGE = 18
    SET_ASYNC_CONFIG = 19
    SET_CONTROLLER_ID = 20
    FLOW_MONITOR_CANCEL = 21
    FLOW_MONITOR_PAUSED = 22
    FLOW_MONITOR_RESUMED = 23
    TLV_TABLE_MOD = 24
    TLV_TABLE_REQUEST = 25
    TLV_TABLE_REPLY = 26
    SET_ASYNC_CONFIG2 = 27
    RESUME = 28
    CT_FLUSH_ZONE = 29
    PACKET_IN2 = 30
    CT_FLUSH = 32


class BundleControlType(Number):
    """What becomes of a bundle (ONF extension 230)."""

    OPEN_REQUEST = 0
    OPEN_REPLY = 1
    CLOSE_REQUEST = 2
    CLOSE_REPLY = 3
    COMMIT_REQUEST = 4
    COMMIT_REPLY = 5
    DISCARD_REQUEST = 6
    DISCARD_REPLY = 7


class BundleFlags(Bits):
    """How a bundle is carried out (ONF extension 230)."""

    ATOMIC = 1 << 0
    ORDERED = 1 << 1


class FlowMonitorFlags(Bits):
    """What a flow monitor tells of (ONF extension 187)."""

    INITIAL = 1 << 0
    ADD = 1 << 1
    DELETE = 1 << 2
    MODIFY = 1 << 3
    ACTIONS = 1 << 4
    OWN = 1 << 5


class EtherType(Number):
    """What an Ethernet frame carries (IEEE 802)."""

    IPV4 = 0x0800
    ARP = 0x0806
    RARP = 0x8035
    VLAN = 0x8100
    IPV6 = 0x86DD
    MPLS = 0x8847
    MPLS_MULTICAST = 0x8848
    PBB = 0x88E7
    NSH = 0x894F


class IpProto(Number):
    """What an IP packet carries (IANA's protocol numbers)."""

    ICMP = 1
    TCP = 6
    UDP = 17
    ICMPV6 = 58
    SCTP = 132


class ErrorType(Number):
    """What kind of request failed (7.4.4); each has codes of its own."""

    HELLO_FAILED = 0
    BAD_REQUEST = 1
    BAD_ACTION = 2
    BAD_INSTRUCTION = 3
    BAD_MATCH = 4
    FLOW_MOD_FAILED = 5
    GROUP_MOD_FAILED = 6
    PORT_MOD_FAILED = 7
    TABLE_MOD_FAILED = 8
    QUEUE_OP_FAILED = 9
    SWITCH_CONFIG_FAILED = 10
    ROLE_REQUEST_FAILED = 11
    METER_MOD_FAILED = 12
    TABLE_FEATURES_FAILED = 13
    EXPERIMENTER = 0xFFFF


class HelloFailedCode(Number):
    """Why no version could be agreed on."""

    INCOMPATIBLE = 0
    EPERM = 1


class BadRequestCode(Number):
    """Why a request was not understood."""

    BAD_VERSION = 0
    BAD_TYPE = 1
    BAD_MULTIPART = 2
    BAD_EXPERIMENTER = 3
    BAD_EXP_TYPE = 4
    EPERM = 5
    BAD_LEN = 6
    BUFFER_EMPTY = 7
    BUFFER_UNKNOWN = 8
    BAD_TABLE_ID = 9
    IS_SLAVE = 10
    BAD_PORT = 11
    BAD_PACKET = 12
    MULTIPART_BUFFER_OVERFLOW = 13


class BadActionCode(Number):
    """Why an action was refused."""

    BAD_TYPE = 0
    BAD_LEN = 1
    BAD_EXPERIMENTER = 2
    BAD_EXP_TYPE = 3
    BAD_OUT_PORT = 4
    BAD_ARGUMENT = 5
    EPERM = 6
    TOO_MANY = 7
    BAD_QUEUE = 8
    BAD_OUT_GROUP = 9
    MATCH_INCONSISTENT = 10
    UNSUPPORTED_ORDER = 11
    BAD_TAG = 12
    BAD_SET_TYPE = 13
    BAD_SET_LEN = 14
    BAD_SET_ARGUMENT = 15


class BadInstructionCode(Number):
    """Why an instruction was refused."""

    UNKNOWN_INST = 0
    UNSUP_INST = 1
    BAD_TABLE_ID = 2
    UNSUP_METADATA = 3
    UNSUP_METADATA_MASK = 4
    BAD_EXPERIMENTER = 5
    BAD_EXP_TYPE = 6
    BAD_LEN = 7
    EPERM = 8


class BadMatchCode(Number):
    """Why a match was refused."""

    BAD_TYPE = 0
    BAD_LEN = 1
    BAD_TAG = 2
    BAD_DL_ADDR_MASK = 3
    BAD_NW_ADDR_MASK = 4
    BAD_WILDCARDS = 5
    BAD_FIELD = 6
    BAD_VALUE = 7
    BAD_MASK = 8
    BAD_PREREQ = 9
    DUP_FIELD = 10
    EPERM = 11


class FlowModFailedCode(Number):
    """Why a flow_mod was refused."""

    UNKNOWN = 0
    TABLE_FULL = 1
    BAD_TABLE_ID = 2
    OVERLAP = 3
    EPERM = 4
    BAD_TIMEOUT = 5
    BAD_COMMAND = 6
    BAD_FLAGS = 7


class GroupModFailedCode(Number):
    """Why a group_mod was refused."""

    GROUP_EXISTS = 0
    INVALID_GROUP = 1
    WEIGHT_UNSUPPORTED = 2
    OUT_OF_GROUPS = 3
    OUT_OF_BUCKETS = 4
    CHAINING_UNSUPPORTED = 5
    WATCH_UNSUPPORTED = 6
    LOOP = 7
    UNKNOWN_GROUP = 8
    CHAINED_GROUP = 9
    BAD_TYPE = 10
    BAD_COMMAND = 11
    BAD_BUCKET = 12
    BAD_WATCH = 13
    EPERM = 14


class PortModFailedCode(Number):
    """Why a port_mod was refused."""

    BAD_PORT = 0
    BAD_HW_ADDR = 1
    BAD_CONFIG = 2
    BAD_ADVERTISE = 3
    EPERM = 4


class TableModFailedCode(Number):
    """Why a table_mod was refused."""

    BAD_TABLE = 0
    BAD_CONFIG = 1
    EPERM = 2


class QueueOpFailedCode(Number):
    """Why a request about queues was refused."""

    BAD_PORT = 0
    BAD_QUEUE = 1
    EPERM = 2


class SwitchConfigFailedCode(Number):
    """Why a set_config was refused."""

    BAD_FLAGS = 0
    BAD_LEN = 1
    EPERM = 2


class RoleRequestFailedCode(Number):
    """Why a role was refused."""

    STALE = 0
    UNSUP = 1
    BAD_ROLE = 2


class MeterModFailedCode(Number):
    """Why a meter_mod was refused."""

    UNKNOWN = 0
    METER_EXISTS = 1
    INVALID_METER = 2
    UNKNOWN_METER = 3
    BAD_COMMAND = 4
    BAD_FLAGS = 5
    BAD_RATE = 6
    BAD_BURST = 7
    BAD_BAND = 8
    BAD_BAND_VALUE = 9
    OUT_OF_METERS = 10
    OUT_OF_BANDS = 11


class TableFeaturesFailedCode(Number):
    """Why a change of table features was refused."""

    BAD_TABLE = 0
    BAD_METADATA = 1
    BAD_TYPE = 2
    BAD_LEN = 3
    BAD_ARGUMENT = 4
    EPERM = 5


ERROR_CODES: Mapping[int, type[IntEnum]] = MappingProxyType(
    {
        ErrorType.HELLO_FAILED: HelloFailedCode,
        ErrorType.BAD_REQUEST: BadRequestCode,
        ErrorType.BAD_ACTION: BadActionCode,
        ErrorType.BAD_INSTRUCTION: BadInstructionCode,
        ErrorType.BAD_MATCH: BadMatchCode,
        ErrorType.FLOW_MOD_FAILED: FlowModFailedCode,
        ErrorType.GROUP_MOD_FAILED: GroupModFailedCode,
        ErrorType.PORT_MOD_FAILED: PortModFailedCode,
        ErrorType.TABLE_MOD_FAILED: TableModFailedCode,
        ErrorType.QUEUE_OP_FAILED: QueueOpFailedCode,
        ErrorType.SWITCH_CONFIG_FAILED: SwitchConfigFailedCode,
        ErrorType.ROLE_REQUEST_FAILED: RoleRequestFailedCode,
        ErrorType.METER_MOD_FAILED: MeterModFailedCode,
        ErrorType.TABLE_FEATURES_FAILED: TableFeaturesFailedCode,
    }
)
"""The enumeration of codes of each error type; EXPERIMENTER has none."""


def error_name(kind: int, code: int) -> str:
    """Name an error as `TYPE/CODE`; what has no name is given as its number."""
    if kind not in list(ErrorType):
        return f"{kind}/{code}"
    codes = ERROR_CODES.get(kind)
    return f"{ErrorType(kind).name}/{codes(code).name if codes and code in list(codes) else code}"
