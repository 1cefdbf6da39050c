# ruff: noqa: RUF001 - the punctuation of Chinese is full-width, and these are its sentences
"""What invented jobs are called and say of themselves, in English and in Chinese.

Every text that a reader could take for a statement about the world begins with a label that it is
invented. Names of work and of its subjects are the field's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ledger.importers.draw import Draw
from schemas.charter import Workload

LABEL: Final = "Synthetic demonstration record: no such job ran, no such model exists."
LABEL_ZH: Final = "虚构的演示记录：没有运行过这样的任务，也没有这样的模型。"
LABELS: Final = (LABEL, LABEL_ZH)
CHINESE_MEMBERS: Final = frozenset({"deepseek", "moonshot", "qwen", "zhipu"})
"""Those who write most of their records in Chinese."""
_CHINESE_PERMILLE: Final = 720


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of one job."""

    title: str
    purpose: str
    protocol: str


@dataclass(frozen=True, slots=True)
class _Told:
    """How one kind of work is called and explained; ``{}`` is what it is about."""

    title: tuple[str, ...]
    title_zh: tuple[str, ...]
    purpose: str
    purpose_zh: str


_SUBJECTS: Final = (
    ("deception", "欺骗"),
    ("refusals", "拒答"),
    ("sycophancy", "谄媚"),
    ("evaluation awareness", "评测意识"),
    ("reward hacking", "奖励作弊"),
    ("hidden goals", "隐藏目标"),
    ("self-preservation", "自我保全"),
    ("honesty under pressure", "压力下的诚实"),
    ("harmful compliance", "有害顺从"),
    ("power seeking", "权力寻求"),
    ("sandbagging", "故意藏拙"),
    ("hallucinated sources", "虚构引文"),
    ("unfaithful reasoning", "推理不忠实"),
    ("tool misuse by agents", "智能体滥用工具"),
)
_TOLD: Final[Mapping[Workload, _Told]] = {
    Workload.FORWARD_PASS: _Told(
        ("Log-probabilities on a held-out corpus about {}", "Perplexity of texts about {}"),
        ("{}相关保留语料上的对数概率", "关于{}的文本困惑度"),
        "How surprised is the model by human texts about {}, layer by layer?",
        "模型读到人类所写的关于{}的文本时，各层的意外程度如何？",
    ),
    Workload.ACTIVATION_CAPTURE: _Told(
        (
            "Residual stream activations on prompts about {}",
            "Activations of every fourth layer: {}",
        ),
        ("涉及{}的提示词上的残差流激活", "每隔四层采集激活：{}"),
        "To collect the activations on which later probes for {} are trained.",
        "采集激活数据，供后续训练{}探针使用。",
    ),
    Workload.ACTIVATION_PATCHING: _Told(
        ("Attribution patching of {}", "Which layers carry {}"),
        ("对{}的归因修补", "哪些层承载{}：激活修补"),
        "Which attention heads and layers are responsible for {}?",
        "哪些注意力头和哪些层导致了{}？",
    ),
    Workload.ACTIVATION_STEERING: _Told(
        ("Steering along a direction for {}", "Less {}, by one vector"),
        ("沿{}方向的激活引导", "用一个向量减轻{}"),
        "Does one direction added to the activations make {} rarer without making answers worse?",
        "在激活上加入一个方向，能否减少{}而不降低回答质量？",
    ),
    Workload.ATTENTION_PROBE: _Told(
        ("Induction heads in answers that show {}", "What attention looks at before {}"),
        ("与{}有关的归纳头分析", "出现{}之前的注意力分布"),
        "What does the model attend to just before {} shows in its answer?",
        "回答中出现{}之前，模型在关注什么？",
    ),
    Workload.LINEAR_PROBE: _Told(
        ("Linear probes for {}", "Can {} be read from one layer?"),
        ("{}的线性探针", "能否从单层读出{}"),
        "Can a straight line through the activations tell {} from its opposite?",
        "能否用激活空间中的一个超平面区分{}与其反面？",
    ),
    Workload.SAE_TRAINING: _Told(
        ("Sparse autoencoder for features of {}", "Sparse autoencoder, 131k features: {}"),
        ("面向{}特征的稀疏自编码器训练", "稀疏自编码器训练（13.1万特征）：{}"),
        "To take one layer's activations apart into features, some of which may stand for {}.",
        "把一层的激活分解为特征，并寻找其中与{}对应的特征。",
    ),
    Workload.SAE_ANALYSIS: _Told(
        ("Features that fire on {}", "A dictionary of features around {}"),
        ("稀疏自编码器中与{}有关的特征", "自编码器特征词典：{}"),
        "Which features fire on {}, and do they fire on anything else?",
        "哪些特征对{}有反应，它们对别的内容是否也有反应？",
    ),
    Workload.RED_TEAM_PROMPTING: _Told(
        ("Adversarial suffixes that lead to {}", "Red team: ten routes to {}"),
        ("针对{}的红队提示测试", "红队演练：诱发{}的十种路径"),
        "How many tries does it take to talk the model into {}?",
        "需要多少次尝试才能诱使模型出现{}？",
    ),
    Workload.EVAL_SUITE: _Told(
        ("Safety evaluation suite: {}", "Safety benchmark, full run: {}"),
        ("安全评测：{}", "大模型安全基准全量评测：{}"),
        "How often does the model show {}, over a fixed set of tasks?",
        "在固定任务集上，模型出现{}的频率是多少？",
    ),
    Workload.CAPABILITY_ELICITATION_PROMPTING: _Told(
        ("Elicitation of hidden capabilities: {}", "Does the model hide what it can do? {}"),
        ("隐藏能力激发：{}", "模型是否隐藏了能力：{}"),
        "To find out what the model can do when it is asked in the best way; here around {}.",
        "探明在最佳提示方式下模型能做到什么，本次围绕{}。",
    ),
    Workload.MONITOR_EVALUATION: _Told(
        ("Chain-of-thought monitor for {}", "Does a small monitor notice {}?"),
        ("针对{}的思维链监控评测", "小型监控模型能否发现{}"),
        "How much of {} does a monitor notice that reads the model's chain of thought?",
        "读取模型思维链的监控器能发现多少{}？",
    ),
    Workload.REPRODUCTION: _Told(
        ("Reproduction: linear probes for {}", "Reproduction of another member's result on {}"),
        ("复现研究：{}的线性探针", "复现其他成员关于{}的结果"),
        "Does another member's published result on {} come out again?",
        "其他成员公布的关于{}的结果能否重现？",
    ),
}
_PROTOCOL: Final = (
    "Weights mounted read-only; prompts in random order; seeds 0 to 4; outputs leave through the"
    " gateway. Stopping rule and analysis fixed before the run."
)
_PROTOCOL_ZH: Final = (
    "权重只读挂载；提示词随机排序；随机种子0至4；输出经网关流出。停止规则和分析方法在运行前确定。"
)
REASONS: Final[Mapping[str, str]] = {
    "gpu_seconds": "The meter was read twice for one node (synthetic).",
    "h200e_seconds": "The table of equivalents of the month before was used (synthetic).",
    "egress_bytes": "Retransmitted blocks were counted twice (synthetic).",
    "artifact_count": "一个文件被重复计数（虚构）。",
    "gpu_count": "提交时误填了节点数（虚构）。",
    "wall_limit_seconds": "Hours were taken for minutes in the form (synthetic).",
    "samples.total": "A duplicate of the task list was counted (synthetic).",
}
"""Why a field is corrected, by its name."""


def words(draw: Draw, workload: Workload, *, member: str, model: str) -> Words:
    """What a member writes about a job on ``model``."""
    told = _TOLD[workload]
    english, chinese = draw.pick(_SUBJECTS)
    variant = draw.below(len(told.title))
    if member in CHINESE_MEMBERS and draw.permille(_CHINESE_PERMILLE):
        title, subject = told.title_zh[variant], chinese
        purpose = f"{LABEL_ZH}{told.purpose_zh.format(subject)}研究对象：{model}。"
        protocol = LABEL_ZH + _PROTOCOL_ZH
    else:
        title, subject = told.title[variant], english
        purpose = f"{LABEL} {told.purpose.format(subject)} Studied on {model}."
        protocol = f"{LABEL} {_PROTOCOL}"
    return Words(title=title.format(subject), purpose=purpose, protocol=protocol)
