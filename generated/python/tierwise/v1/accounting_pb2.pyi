import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from tierwise.v1 import reason_pb2 as _reason_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CallKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CALL_KIND_UNSPECIFIED: _ClassVar[CallKind]
    CALL_KIND_DIRECT: _ClassVar[CallKind]
    CALL_KIND_DRAFT: _ClassVar[CallKind]
    CALL_KIND_CHECK: _ClassVar[CallKind]

class CallStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CALL_STATUS_UNSPECIFIED: _ClassVar[CallStatus]
    CALL_STATUS_COMPLETED: _ClassVar[CallStatus]
    CALL_STATUS_FAILED: _ClassVar[CallStatus]
    CALL_STATUS_CANCELLED: _ClassVar[CallStatus]

class CounterfactualBasis(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COUNTERFACTUAL_BASIS_UNSPECIFIED: _ClassVar[CounterfactualBasis]
    COUNTERFACTUAL_BASIS_SAME_TOKENS: _ClassVar[CounterfactualBasis]
    COUNTERFACTUAL_BASIS_MEASURED_TOKENS: _ClassVar[CounterfactualBasis]

class Acceptance(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCEPTANCE_UNSPECIFIED: _ClassVar[Acceptance]
    ACCEPTANCE_UNCHECKED: _ClassVar[Acceptance]
    ACCEPTANCE_ACCEPTED: _ClassVar[Acceptance]
    ACCEPTANCE_ACCEPTED_LOW: _ClassVar[Acceptance]
CALL_KIND_UNSPECIFIED: CallKind
CALL_KIND_DIRECT: CallKind
CALL_KIND_DRAFT: CallKind
CALL_KIND_CHECK: CallKind
CALL_STATUS_UNSPECIFIED: CallStatus
CALL_STATUS_COMPLETED: CallStatus
CALL_STATUS_FAILED: CallStatus
CALL_STATUS_CANCELLED: CallStatus
COUNTERFACTUAL_BASIS_UNSPECIFIED: CounterfactualBasis
COUNTERFACTUAL_BASIS_SAME_TOKENS: CounterfactualBasis
COUNTERFACTUAL_BASIS_MEASURED_TOKENS: CounterfactualBasis
ACCEPTANCE_UNSPECIFIED: Acceptance
ACCEPTANCE_UNCHECKED: Acceptance
ACCEPTANCE_ACCEPTED: Acceptance
ACCEPTANCE_ACCEPTED_LOW: Acceptance

class Usage(_message.Message):
    __slots__ = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "output_tokens", "reasoning_tokens")
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHE_READ_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHE_WRITE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHE_WRITE_1H_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    REASONING_TOKENS_FIELD_NUMBER: _ClassVar[int]
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    def __init__(self, input_tokens: _Optional[int] = ..., cache_read_tokens: _Optional[int] = ..., cache_write_tokens: _Optional[int] = ..., cache_write_1h_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., reasoning_tokens: _Optional[int] = ...) -> None: ...

class Cost(_message.Message):
    __slots__ = ("total_nano_usd", "input_nano_usd", "cache_read_nano_usd", "cache_write_nano_usd", "output_nano_usd", "price_book_version")
    TOTAL_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    INPUT_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    CACHE_READ_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    CACHE_WRITE_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    PRICE_BOOK_VERSION_FIELD_NUMBER: _ClassVar[int]
    total_nano_usd: int
    input_nano_usd: int
    cache_read_nano_usd: int
    cache_write_nano_usd: int
    output_nano_usd: int
    price_book_version: str
    def __init__(self, total_nano_usd: _Optional[int] = ..., input_nano_usd: _Optional[int] = ..., cache_read_nano_usd: _Optional[int] = ..., cache_write_nano_usd: _Optional[int] = ..., output_nano_usd: _Optional[int] = ..., price_book_version: _Optional[str] = ...) -> None: ...

class CallRecord(_message.Message):
    __slots__ = ("attempt", "kind", "status", "tier", "model", "usage", "cost", "usage_estimated", "superseded", "finish_reason", "failure_reason", "tries", "response_id", "duration")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    USAGE_ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDED_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    FAILURE_REASON_FIELD_NUMBER: _ClassVar[int]
    TRIES_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    kind: CallKind
    status: CallStatus
    tier: str
    model: str
    usage: Usage
    cost: Cost
    usage_estimated: bool
    superseded: bool
    finish_reason: _reason_pb2.FinishReason
    failure_reason: _reason_pb2.ErrorReason
    tries: int
    response_id: str
    duration: _duration_pb2.Duration
    def __init__(self, attempt: _Optional[int] = ..., kind: _Optional[_Union[CallKind, str]] = ..., status: _Optional[_Union[CallStatus, str]] = ..., tier: _Optional[str] = ..., model: _Optional[str] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., cost: _Optional[_Union[Cost, _Mapping]] = ..., usage_estimated: bool = ..., superseded: bool = ..., finish_reason: _Optional[_Union[_reason_pb2.FinishReason, str]] = ..., failure_reason: _Optional[_Union[_reason_pb2.ErrorReason, str]] = ..., tries: _Optional[int] = ..., response_id: _Optional[str] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Counterfactual(_message.Message):
    __slots__ = ("tier", "model", "cost_nano_usd", "basis")
    TIER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    tier: str
    model: str
    cost_nano_usd: int
    basis: CounterfactualBasis
    def __init__(self, tier: _Optional[str] = ..., model: _Optional[str] = ..., cost_nano_usd: _Optional[int] = ..., basis: _Optional[_Union[CounterfactualBasis, str]] = ...) -> None: ...

class GenerationSummary(_message.Message):
    __slots__ = ("final_attempt", "tier", "model", "finish_reason", "raw_finish_reason", "escalated", "acceptance", "confidence", "usage", "cost", "calls", "counterfactuals", "table_version", "time_to_first_text", "duration", "request_id")
    FINAL_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    RAW_FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    ESCALATED_FIELD_NUMBER: _ClassVar[int]
    ACCEPTANCE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    COUNTERFACTUALS_FIELD_NUMBER: _ClassVar[int]
    TABLE_VERSION_FIELD_NUMBER: _ClassVar[int]
    TIME_TO_FIRST_TEXT_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    final_attempt: int
    tier: str
    model: str
    finish_reason: _reason_pb2.FinishReason
    raw_finish_reason: str
    escalated: bool
    acceptance: Acceptance
    confidence: float
    usage: Usage
    cost: Cost
    calls: _containers.RepeatedCompositeFieldContainer[CallRecord]
    counterfactuals: _containers.RepeatedCompositeFieldContainer[Counterfactual]
    table_version: str
    time_to_first_text: _duration_pb2.Duration
    duration: _duration_pb2.Duration
    request_id: str
    def __init__(self, final_attempt: _Optional[int] = ..., tier: _Optional[str] = ..., model: _Optional[str] = ..., finish_reason: _Optional[_Union[_reason_pb2.FinishReason, str]] = ..., raw_finish_reason: _Optional[str] = ..., escalated: bool = ..., acceptance: _Optional[_Union[Acceptance, str]] = ..., confidence: _Optional[float] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., cost: _Optional[_Union[Cost, _Mapping]] = ..., calls: _Optional[_Iterable[_Union[CallRecord, _Mapping]]] = ..., counterfactuals: _Optional[_Iterable[_Union[Counterfactual, _Mapping]]] = ..., table_version: _Optional[str] = ..., time_to_first_text: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...
