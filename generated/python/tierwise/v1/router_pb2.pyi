import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from tierwise.v1 import accounting_pb2 as _accounting_pb2
from tierwise.v1 import message_pb2 as _message_pb2
from tierwise.v1 import reason_pb2 as _reason_pb2
from tierwise.v1 import routing_pb2 as _routing_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DraftDelivery(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DRAFT_DELIVERY_UNSPECIFIED: _ClassVar[DraftDelivery]
    DRAFT_DELIVERY_HELD: _ClassVar[DraftDelivery]
    DRAFT_DELIVERY_LIVE: _ClassVar[DraftDelivery]

class CheckOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHECK_OUTCOME_UNSPECIFIED: _ClassVar[CheckOutcome]
    CHECK_OUTCOME_ACCEPTED: _ClassVar[CheckOutcome]
    CHECK_OUTCOME_ESCALATED: _ClassVar[CheckOutcome]
    CHECK_OUTCOME_ACCEPTED_LOW: _ClassVar[CheckOutcome]
DRAFT_DELIVERY_UNSPECIFIED: DraftDelivery
DRAFT_DELIVERY_HELD: DraftDelivery
DRAFT_DELIVERY_LIVE: DraftDelivery
CHECK_OUTCOME_UNSPECIFIED: CheckOutcome
CHECK_OUTCOME_ACCEPTED: CheckOutcome
CHECK_OUTCOME_ESCALATED: CheckOutcome
CHECK_OUTCOME_ACCEPTED_LOW: CheckOutcome

class RouteRequest(_message.Message):
    __slots__ = ("task_type", "system", "messages", "routing", "generation")
    TASK_TYPE_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    ROUTING_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    task_type: str
    system: str
    messages: _containers.RepeatedCompositeFieldContainer[_message_pb2.Message]
    routing: _routing_pb2.RoutingOptions
    generation: _routing_pb2.GenerationOptions
    def __init__(self, task_type: _Optional[str] = ..., system: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[_message_pb2.Message, _Mapping]]] = ..., routing: _Optional[_Union[_routing_pb2.RoutingOptions, _Mapping]] = ..., generation: _Optional[_Union[_routing_pb2.GenerationOptions, _Mapping]] = ...) -> None: ...

class RouteResponse(_message.Message):
    __slots__ = ("decision", "tiers", "evidence")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    TIERS_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    decision: _routing_pb2.RouteDecision
    tiers: _containers.RepeatedCompositeFieldContainer[_routing_pb2.TierEstimate]
    evidence: _routing_pb2.Evidence
    def __init__(self, decision: _Optional[_Union[_routing_pb2.RouteDecision, _Mapping]] = ..., tiers: _Optional[_Iterable[_Union[_routing_pb2.TierEstimate, _Mapping]]] = ..., evidence: _Optional[_Union[_routing_pb2.Evidence, _Mapping]] = ...) -> None: ...

class GenerateRequest(_message.Message):
    __slots__ = ("request_id", "task_type", "system", "messages", "routing", "generation", "draft_delivery", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_TYPE_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    ROUTING_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    DRAFT_DELIVERY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    task_type: str
    system: str
    messages: _containers.RepeatedCompositeFieldContainer[_message_pb2.Message]
    routing: _routing_pb2.RoutingOptions
    generation: _routing_pb2.GenerationOptions
    draft_delivery: DraftDelivery
    labels: _containers.ScalarMap[str, str]
    def __init__(self, request_id: _Optional[str] = ..., task_type: _Optional[str] = ..., system: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[_message_pb2.Message, _Mapping]]] = ..., routing: _Optional[_Union[_routing_pb2.RoutingOptions, _Mapping]] = ..., generation: _Optional[_Union[_routing_pb2.GenerationOptions, _Mapping]] = ..., draft_delivery: _Optional[_Union[DraftDelivery, str]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class GenerateResponse(_message.Message):
    __slots__ = ("sequence", "started", "attempt_started", "text_delta", "attempt_finished", "confidence_checked", "attempt_superseded", "heartbeat", "finished")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_STARTED_FIELD_NUMBER: _ClassVar[int]
    TEXT_DELTA_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FINISHED_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_CHECKED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_SUPERSEDED_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    started: Started
    attempt_started: AttemptStarted
    text_delta: TextDelta
    attempt_finished: AttemptFinished
    confidence_checked: ConfidenceChecked
    attempt_superseded: AttemptSuperseded
    heartbeat: Heartbeat
    finished: Finished
    def __init__(self, sequence: _Optional[int] = ..., started: _Optional[_Union[Started, _Mapping]] = ..., attempt_started: _Optional[_Union[AttemptStarted, _Mapping]] = ..., text_delta: _Optional[_Union[TextDelta, _Mapping]] = ..., attempt_finished: _Optional[_Union[AttemptFinished, _Mapping]] = ..., confidence_checked: _Optional[_Union[ConfidenceChecked, _Mapping]] = ..., attempt_superseded: _Optional[_Union[AttemptSuperseded, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., finished: _Optional[_Union[Finished, _Mapping]] = ...) -> None: ...

class Started(_message.Message):
    __slots__ = ("request_id", "decision", "start_time")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    decision: _routing_pb2.RouteDecision
    start_time: _timestamp_pb2.Timestamp
    def __init__(self, request_id: _Optional[str] = ..., decision: _Optional[_Union[_routing_pb2.RouteDecision, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AttemptStarted(_message.Message):
    __slots__ = ("attempt", "kind", "tier", "model", "ignored_options")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IGNORED_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    kind: _accounting_pb2.CallKind
    tier: str
    model: str
    ignored_options: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, attempt: _Optional[int] = ..., kind: _Optional[_Union[_accounting_pb2.CallKind, str]] = ..., tier: _Optional[str] = ..., model: _Optional[str] = ..., ignored_options: _Optional[_Iterable[str]] = ...) -> None: ...

class TextDelta(_message.Message):
    __slots__ = ("attempt", "text", "provisional")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PROVISIONAL_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    text: str
    provisional: bool
    def __init__(self, attempt: _Optional[int] = ..., text: _Optional[str] = ..., provisional: bool = ...) -> None: ...

class AttemptFinished(_message.Message):
    __slots__ = ("call",)
    CALL_FIELD_NUMBER: _ClassVar[int]
    call: _accounting_pb2.CallRecord
    def __init__(self, call: _Optional[_Union[_accounting_pb2.CallRecord, _Mapping]] = ...) -> None: ...

class ConfidenceChecked(_message.Message):
    __slots__ = ("attempt", "method", "confidence", "score", "threshold", "outcome", "call")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    method: str
    confidence: float
    score: int
    threshold: float
    outcome: CheckOutcome
    call: _accounting_pb2.CallRecord
    def __init__(self, attempt: _Optional[int] = ..., method: _Optional[str] = ..., confidence: _Optional[float] = ..., score: _Optional[int] = ..., threshold: _Optional[float] = ..., outcome: _Optional[_Union[CheckOutcome, str]] = ..., call: _Optional[_Union[_accounting_pb2.CallRecord, _Mapping]] = ...) -> None: ...

class AttemptSuperseded(_message.Message):
    __slots__ = ("attempt", "replacement_attempt", "reason")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    replacement_attempt: int
    reason: _reason_pb2.EscalationReason
    def __init__(self, attempt: _Optional[int] = ..., replacement_attempt: _Optional[int] = ..., reason: _Optional[_Union[_reason_pb2.EscalationReason, str]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Finished(_message.Message):
    __slots__ = ("summary",)
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    summary: _accounting_pb2.GenerationSummary
    def __init__(self, summary: _Optional[_Union[_accounting_pb2.GenerationSummary, _Mapping]] = ...) -> None: ...
