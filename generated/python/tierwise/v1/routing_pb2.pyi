import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RoutingRule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUTING_RULE_UNSPECIFIED: _ClassVar[RoutingRule]
    ROUTING_RULE_PINNED: _ClassVar[RoutingRule]
    ROUTING_RULE_TASK_TYPE: _ClassVar[RoutingRule]
    ROUTING_RULE_DEFAULT: _ClassVar[RoutingRule]

class RoutingAdjustment(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUTING_ADJUSTMENT_UNSPECIFIED: _ClassVar[RoutingAdjustment]
    ROUTING_ADJUSTMENT_ESCALATION_ON: _ClassVar[RoutingAdjustment]
    ROUTING_ADJUSTMENT_ESCALATION_OFF: _ClassVar[RoutingAdjustment]
    ROUTING_ADJUSTMENT_CAPPED: _ClassVar[RoutingAdjustment]
    ROUTING_ADJUSTMENT_THRESHOLD: _ClassVar[RoutingAdjustment]
    ROUTING_ADJUSTMENT_CONTEXT_SKIP: _ClassVar[RoutingAdjustment]
ROUTING_RULE_UNSPECIFIED: RoutingRule
ROUTING_RULE_PINNED: RoutingRule
ROUTING_RULE_TASK_TYPE: RoutingRule
ROUTING_RULE_DEFAULT: RoutingRule
ROUTING_ADJUSTMENT_UNSPECIFIED: RoutingAdjustment
ROUTING_ADJUSTMENT_ESCALATION_ON: RoutingAdjustment
ROUTING_ADJUSTMENT_ESCALATION_OFF: RoutingAdjustment
ROUTING_ADJUSTMENT_CAPPED: RoutingAdjustment
ROUTING_ADJUSTMENT_THRESHOLD: RoutingAdjustment
ROUTING_ADJUSTMENT_CONTEXT_SKIP: RoutingAdjustment

class RoutingOptions(_message.Message):
    __slots__ = ("tier", "max_tier", "escalation", "confidence_threshold", "max_cost_nano_usd")
    TIER_FIELD_NUMBER: _ClassVar[int]
    MAX_TIER_FIELD_NUMBER: _ClassVar[int]
    ESCALATION_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    tier: str
    max_tier: str
    escalation: bool
    confidence_threshold: float
    max_cost_nano_usd: int
    def __init__(self, tier: _Optional[str] = ..., max_tier: _Optional[str] = ..., escalation: bool = ..., confidence_threshold: _Optional[float] = ..., max_cost_nano_usd: _Optional[int] = ...) -> None: ...

class GenerationOptions(_message.Message):
    __slots__ = ("max_output_tokens", "temperature", "top_p", "stop_sequences")
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    STOP_SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    max_output_tokens: int
    temperature: float
    top_p: float
    stop_sequences: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, max_output_tokens: _Optional[int] = ..., temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., stop_sequences: _Optional[_Iterable[str]] = ...) -> None: ...

class RouteDecision(_message.Message):
    __slots__ = ("tier", "model", "cascade", "rule", "adjustments", "why", "confidence_method", "confidence_threshold", "table_version", "task_type")
    TIER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CASCADE_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    ADJUSTMENTS_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_METHOD_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    TABLE_VERSION_FIELD_NUMBER: _ClassVar[int]
    TASK_TYPE_FIELD_NUMBER: _ClassVar[int]
    tier: str
    model: str
    cascade: _containers.RepeatedScalarFieldContainer[str]
    rule: RoutingRule
    adjustments: _containers.RepeatedScalarFieldContainer[RoutingAdjustment]
    why: str
    confidence_method: str
    confidence_threshold: float
    table_version: str
    task_type: str
    def __init__(self, tier: _Optional[str] = ..., model: _Optional[str] = ..., cascade: _Optional[_Iterable[str]] = ..., rule: _Optional[_Union[RoutingRule, str]] = ..., adjustments: _Optional[_Iterable[_Union[RoutingAdjustment, str]]] = ..., why: _Optional[str] = ..., confidence_method: _Optional[str] = ..., confidence_threshold: _Optional[float] = ..., table_version: _Optional[str] = ..., task_type: _Optional[str] = ...) -> None: ...

class TierEstimate(_message.Message):
    __slots__ = ("tier", "model", "estimated_input_tokens", "assumed_output_tokens", "estimated_cost_nano_usd", "max_cost_nano_usd", "fits_context", "price_book_version")
    TIER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ASSUMED_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    FITS_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    PRICE_BOOK_VERSION_FIELD_NUMBER: _ClassVar[int]
    tier: str
    model: str
    estimated_input_tokens: int
    assumed_output_tokens: int
    estimated_cost_nano_usd: int
    max_cost_nano_usd: int
    fits_context: bool
    price_book_version: str
    def __init__(self, tier: _Optional[str] = ..., model: _Optional[str] = ..., estimated_input_tokens: _Optional[int] = ..., assumed_output_tokens: _Optional[int] = ..., estimated_cost_nano_usd: _Optional[int] = ..., max_cost_nano_usd: _Optional[int] = ..., fits_context: bool = ..., price_book_version: _Optional[str] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("sample_size", "quality", "quality_low", "quality_high", "mean_cost_nano_usd", "judge", "dataset_hash", "price_book_version", "measure_time", "expire_time", "escalation_rate", "tolerance", "confidence", "loss_bound")
    SAMPLE_SIZE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    QUALITY_LOW_FIELD_NUMBER: _ClassVar[int]
    QUALITY_HIGH_FIELD_NUMBER: _ClassVar[int]
    MEAN_COST_NANO_USD_FIELD_NUMBER: _ClassVar[int]
    JUDGE_FIELD_NUMBER: _ClassVar[int]
    DATASET_HASH_FIELD_NUMBER: _ClassVar[int]
    PRICE_BOOK_VERSION_FIELD_NUMBER: _ClassVar[int]
    MEASURE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    ESCALATION_RATE_FIELD_NUMBER: _ClassVar[int]
    TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    LOSS_BOUND_FIELD_NUMBER: _ClassVar[int]
    sample_size: int
    quality: float
    quality_low: float
    quality_high: float
    mean_cost_nano_usd: int
    judge: str
    dataset_hash: str
    price_book_version: str
    measure_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    escalation_rate: float
    tolerance: float
    confidence: float
    loss_bound: float
    def __init__(self, sample_size: _Optional[int] = ..., quality: _Optional[float] = ..., quality_low: _Optional[float] = ..., quality_high: _Optional[float] = ..., mean_cost_nano_usd: _Optional[int] = ..., judge: _Optional[str] = ..., dataset_hash: _Optional[str] = ..., price_book_version: _Optional[str] = ..., measure_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., escalation_rate: _Optional[float] = ..., tolerance: _Optional[float] = ..., confidence: _Optional[float] = ..., loss_bound: _Optional[float] = ...) -> None: ...
