"""Every layer: its signature, representation, state and initial draws are torch's. Results: `tests/conformance`."""

import inspect

import pytest
import torch as real

import torchlike
from tests.differential import agree, randn
from tests.nn.told import told, warned

#: Name and constructor calls of each layer: positional arguments, keywords.
LAYERS = {
    "Identity": [((1, 2), {"a": 3})],
    "Linear": [((3, 4), {}), ((3, 4), {"bias": False}), ((2, 3), {"dtype": "float64"})],
    "Bilinear": [((2, 3, 4), {}), ((2, 3, 4, False), {})],
    "LazyLinear": [((3,), {}), ((3, False), {})],
    "Conv1d": [((2, 4, 3), {}), ((2, 4, (3,)), {"padding": "same", "padding_mode": "circular", "groups": 2})],
    "Conv2d": [
        ((3, 4, 3), {}),
        ((4, 4, (3, 5)), {"stride": (2, 1), "padding": (4, 2), "dilation": (3, 1), "groups": 2, "bias": False}),
        ((4, 4, 3, 1, "valid"), {"padding_mode": "reflect"}),
    ],
    "Conv3d": [((2, 2, 3), {"padding": 1, "padding_mode": "replicate"})],
    "ConvTranspose1d": [((2, 4, 3), {"stride": 2, "output_padding": 1})],
    "ConvTranspose2d": [((4, 2, 3), {"groups": 2, "dilation": 2, "bias": False})],
    "ConvTranspose3d": [((2, 4, (3, 2, 1)), {"padding": (1, 0, 0)})],
    "LazyConv1d": [((4, 3), {})],
    "LazyConv2d": [((4, 3), {"padding": 1, "groups": 2})],
    "LazyConv3d": [((4, 3), {"bias": False})],
    "LazyConvTranspose1d": [((4, 3), {})],
    "LazyConvTranspose2d": [((4, 3), {"stride": 2})],
    "LazyConvTranspose3d": [((4, 3), {})],
    "MaxPool1d": [((3,), {})],
    "MaxPool2d": [(((3, 2),), {"stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True})],
    "MaxPool3d": [((3, 1), {"return_indices": True})],
    "MaxUnpool1d": [((3,), {"stride": 2})],
    "MaxUnpool2d": [((3, (2, 1)), {"padding": (1, 0)})],
    "MaxUnpool3d": [((3,), {})],
    "AvgPool1d": [((3,), {"stride": 2, "padding": 1})],
    "AvgPool2d": [(((3, 2),), {"divisor_override": 4})],
    "AvgPool3d": [((3,), {"ceil_mode": True})],
    "FractionalMaxPool2d": [((3,), {"output_size": 5}), ((3,), {"output_ratio": (0.5, 0.6)})],
    "FractionalMaxPool3d": [((3, (4, 5, 6)), {})],
    "LPPool1d": [((2, 3), {"stride": 2})],
    "LPPool2d": [((1.2, 3), {"ceil_mode": True})],
    "LPPool3d": [((2, 3), {})],
    "AdaptiveMaxPool1d": [((5,), {})],
    "AdaptiveMaxPool2d": [(((5, None),), {"return_indices": True})],
    "AdaptiveMaxPool3d": [(((5, None, 2),), {})],
    "AdaptiveAvgPool1d": [((5,), {})],
    "AdaptiveAvgPool2d": [(((None, 7),), {})],
    "AdaptiveAvgPool3d": [(((5, 6, 7),), {})],
    "BatchNorm1d": [((3,), {}), ((3, 1e-3, None, False, False), {})],
    "BatchNorm2d": [((3,), {"bias": False})],
    "BatchNorm3d": [((3,), {"dtype": "float64"})],
    "LazyBatchNorm1d": [((), {}), ((), {"affine": False, "track_running_stats": False})],
    "LazyBatchNorm2d": [((), {"bias": False})],
    "LazyBatchNorm3d": [((), {})],
    "SyncBatchNorm": [((3,), {})],
    "InstanceNorm1d": [((3,), {}), ((3,), {"affine": True, "track_running_stats": True})],
    "InstanceNorm2d": [((3,), {"affine": True, "bias": False})],
    "InstanceNorm3d": [((3,), {})],
    "LazyInstanceNorm1d": [((), {})],
    "LazyInstanceNorm2d": [((), {})],
    "LazyInstanceNorm3d": [((), {})],
    "LayerNorm": [((3,), {}), (((3, 4),), {"eps": 1e-3, "bias": False}), (([2],), {"elementwise_affine": False})],
    "GroupNorm": [((2, 4), {}), ((2, 4), {"affine": False}), ((1, 4), {"bias": False})],
    "RMSNorm": [((3,), {}), (((3, 4), 1e-3, False), {})],
    "LocalResponseNorm": [((2,), {})],
    "CrossMapLRN2d": [((3,), {"alpha": 1.0})],
    "Dropout": [((), {}), ((0.2, True), {})],
    "Dropout1d": [((0.1,), {})],
    "Dropout2d": [((0.1,), {})],
    "Dropout3d": [((0.1,), {})],
    "AlphaDropout": [((0.1,), {})],
    "FeatureAlphaDropout": [((0.1,), {})],
    "Embedding": [((5, 3), {}), ((5, 3, -1, 1.0, 1.5, True, True), {}), ((5, 3), {"padding_idx": 0})],
    "EmbeddingBag": [((5, 3), {}), ((5, 3, 1.0, 1.5, True, "max"), {"padding_idx": 2, "include_last_offset": True})],
    "RNN": [((2, 3), {}), ((2, 3, 2, "relu", False, True), {}), ((2, 3), {"nonlinearity": "relu", "num_layers": 2})],
    "LSTM": [((2, 3), {}), ((2, 4, 2), {"bidirectional": True, "proj_size": 3, "dropout": 0.5})],
    "GRU": [((2, 3), {}), ((2, 3, 2), {"batch_first": True, "bidirectional": True, "bias": False})],
    "RNNCell": [((2, 3), {}), ((2, 3, False, "relu"), {})],
    "LSTMCell": [((2, 3), {}), ((2, 3, False), {})],
    "GRUCell": [((2, 3), {}), ((2, 3), {"dtype": "float64"})],
    "MultiheadAttention": [
        ((4, 2), {}),
        ((4, 2), {"add_bias_kv": True, "kdim": 3, "vdim": 5, "batch_first": True}),
        ((4, 2, 0.5, False), {"add_zero_attn": True}),
    ],
    "Transformer": [((4, 2, 1, 2, 8), {}), ((4, 2, 1, 1, 8), {"bias": False, "norm_first": True})],
    "TransformerEncoderLayer": [((4, 2, 8), {}), ((4, 2, 8, 0.0, "gelu"), {"batch_first": True, "bias": False})],
    "TransformerDecoderLayer": [((4, 2, 8), {}), ((4, 2, 8), {"norm_first": True, "bias": False})],
    "Threshold": [((0.1, 20), {}), ((0.1, 20, True), {})],
    "ReLU": [((), {}), ((True,), {})],
    "RReLU": [((), {}), ((0.1, 0.2, True), {})],
    "Hardtanh": [((), {}), ((-2, 3.0, True), {})],
    "ReLU6": [((), {}), ((True,), {})],
    "Sigmoid": [((), {})],
    "Hardsigmoid": [((True,), {})],
    "Tanh": [((), {})],
    "SiLU": [((True,), {})],
    "Mish": [((), {})],
    "Hardswish": [((True,), {})],
    "ELU": [((), {}), ((2.0, True), {})],
    "CELU": [((), {}), ((2.0, True), {})],
    "SELU": [((True,), {})],
    "GLU": [((), {}), ((1,), {})],
    "GELU": [((), {}), (("tanh",), {})],
    "Hardshrink": [((0.3,), {})],
    "LeakyReLU": [((), {}), ((0.3, True), {})],
    "LogSigmoid": [((), {})],
    "Softplus": [((2, 10), {})],
    "Softshrink": [((0.3,), {})],
    "PReLU": [((), {}), ((3, 0.1), {})],
    "Softsign": [((), {})],
    "Tanhshrink": [((), {})],
    "Softmin": [((1,), {})],
    "Softmax": [((), {}), ((1,), {})],
    "Softmax2d": [((), {})],
    "LogSoftmax": [((-1,), {})],
    "AdaptiveLogSoftmaxWithLoss": [((16, 20, [5, 10, 15]), {}), ((8, 10, [3]), {"head_bias": True, "div_value": 2.0})],
    "L1Loss": [((), {})],
    "NLLLoss": [((), {"ignore_index": 1})],
    "PoissonNLLLoss": [((), {})],
    "GaussianNLLLoss": [((), {"full": True})],
    "KLDivLoss": [((), {"log_target": True})],
    "MSELoss": [((), {"reduction": "sum"})],
    "BCELoss": [((), {})],
    "BCEWithLogitsLoss": [((), {})],
    "HingeEmbeddingLoss": [((), {"margin": 0.5})],
    "MultiLabelMarginLoss": [((), {})],
    "SmoothL1Loss": [((), {"beta": 0.5})],
    "HuberLoss": [((), {"delta": 0.5})],
    "SoftMarginLoss": [((), {})],
    "CrossEntropyLoss": [((), {"label_smoothing": 0.1})],
    "LinearCrossEntropyLoss": [((3, 4), {}), ((3, 4), {"bias": True, "out_features": (2,)})],
    "MultiLabelSoftMarginLoss": [((), {})],
    "CosineEmbeddingLoss": [((), {})],
    "MarginRankingLoss": [((), {})],
    "MultiMarginLoss": [((2,), {})],
    "TripletMarginLoss": [((), {"swap": True})],
    "TripletMarginWithDistanceLoss": [((), {})],
    "CTCLoss": [((), {"zero_infinity": True})],
    "Fold": [(((4, 5), 2), {"stride": 2})],
    "Unfold": [(((2, 3),), {"padding": 1})],
    "Flatten": [((), {}), ((0, 2), {})],
    "Unflatten": [((1, (2, 3)), {})],
    "Upsample": [((), {"scale_factor": (2, 3)}), (((4, 5),), {"mode": "bilinear"})],
    "UpsamplingNearest2d": [((), {"scale_factor": 2})],
    "UpsamplingBilinear2d": [((4,), {})],
    "PixelShuffle": [((3,), {})],
    "PixelUnshuffle": [((3,), {})],
    "ChannelShuffle": [((2,), {})],
    "CosineSimilarity": [((0,), {})],
    "PairwiseDistance": [((1.0,), {"keepdim": True})],
    **{f"{kind}Pad{n}d": [((1,), {}), ((tuple(range(2 * n)),), {})]
       for kind in ("Circular", "Reflection", "Replication", "Zero") for n in (1, 2, 3)},
    **{f"ConstantPad{n}d": [((1, 2.5), {})] for n in (1, 2, 3)},
}  # fmt: skip

#: Not layers: containers, bases, deprecated names and plain options; other files test them.
OTHERS = {
    "Container", "Module", "ModuleDict", "ModuleList", "NLLLoss2d", "ParameterDict", "ParameterList", "RNNBase",
    "RNNCellBase", "Sequential", "TransformerDecoder", "TransformerEncoder", "LinearCrossEntropyOptions",
}  # fmt: skip


def test_every_name_of_torchs_is_here():
    assert sorted(torchlike.nn.modules.__all__) == real.nn.modules.__all__
    assert {*LAYERS, *OTHERS} == set(real.nn.modules.__all__)


@pytest.mark.parametrize("name", real.nn.modules.__all__)
def test_signatures_are_torchs(name):
    def parameters(library):
        found = inspect.signature(getattr(library.nn, name).__init__).parameters.values()
        return [(p.name, p.kind, callable(p.default) or str(p.default)) for p in found]

    assert parameters(torchlike) == parameters(real)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_made_as_torch_makes_them(name):
    def program(torch):
        made = []
        for args, kwargs in LAYERS[name]:
            if "dtype" in kwargs:
                kwargs = {**kwargs, "dtype": getattr(torch, kwargs["dtype"])}
            layer = getattr(torch.nn, name)(*args, **kwargs)
            state = {
                key: type(value).__name__ if "Uninitialized" in type(value).__name__ else value
                for key, value in layer.state_dict().items()
            }
            made.append((repr(layer), state, dict(layer.state_dict()._metadata), torch.rand(1)))  # where the draws end
        return made

    agree(program)


def test_constructors_refuse_what_torch_refuses():
    def program(torch):
        nn = torch.nn

        def make(name, *args, **kwargs):
            return lambda: repr(getattr(nn, name)(*args, **kwargs))

        return told(
            make("Conv2d", 3, 4, 3, groups=0),
            make("Conv2d", 3, 4, 3, groups=2),
            make("Conv2d", 4, 3, 3, groups=2),
            make("Conv2d", 4, 3, 3, padding="same", stride=2),
            make("ConvTranspose2d", 4, 4, 3, padding_mode="reflect"),
            make("Bilinear", 0, 2, 3),
            make("GroupNorm", 3, 4),
            make("Dropout", 1.5),
            make("Dropout2d", -1),
            make("Embedding", 3, 2, 3),
            make("Embedding", 3, 2, -4),
            make("EmbeddingBag", 3, 2, padding_idx=5),
            make("Embedding", 3, 2, _weight=torch.ones(2, 2)),
            lambda: nn.Embedding.from_pretrained(torch.ones(3)),
            make("Hardtanh", 1, 0),
            make("FractionalMaxPool2d", 3),
            make("FractionalMaxPool2d", 3, 4, 0.5),
            make("FractionalMaxPool3d", 3, output_ratio=2.0),
            make("FractionalMaxPool3d", 0, output_ratio=0.5),
            make("HuberLoss", delta="a"),
            make("MultiMarginLoss", p=3),
            make("MultiMarginLoss", weight=torch.ones(2, 2)),
            make("TripletMarginLoss", margin=0),
            make("TripletMarginWithDistanceLoss", margin=-1),
            make("LinearCrossEntropyLoss", 3, 4, label_smoothing=2),
            make("LinearCrossEntropyLoss", 3, 4, weight=torch.ones(3)),
            make("LinearCrossEntropyOptions", acc_policy="x"),
            make("LinearCrossEntropyOptions", chunking_method="x"),
            make("LinearCrossEntropyOptions", batch_chunk_size=0),
            make("LinearCrossEntropyOptions", acc_dtype=torch.int32),
            make("Unflatten", 1, 3),
            make("Unflatten", 1, (2, 3.0)),
            make("AdaptiveLogSoftmaxWithLoss", 4, 10, []),
            make("AdaptiveLogSoftmaxWithLoss", 4, 10, [5, 5]),
            make("AdaptiveLogSoftmaxWithLoss", 4, 10, [5, 10]),
            make("AdaptiveLogSoftmaxWithLoss", 4, 10, [0, 5]),
            make("MultiheadAttention", 4, 3),
            make("MultiheadAttention", 0, 3),
            make("TransformerEncoderLayer", 4, 2, activation="nothing"),
        )

    agree(program)


def test_sets_in_messages_are_named():
    # torch prints a set, whose order changes from run to run.
    for make, words in (
        (lambda: torchlike.nn.Conv2d(1, 1, 1, padding="x"), ("Invalid padding string 'x'", "same", "valid")),
        (
            lambda: torchlike.nn.Conv2d(1, 1, 1, padding_mode="x"),
            ("padding_mode must be one of", "got padding_mode='x'"),
        ),
    ):
        with pytest.raises(ValueError) as caught:
            make()
        assert all(word in str(caught.value) for word in words)


def test_inputs_of_wrong_rank_are_refused():
    def program(torch):
        nn = torch.nn
        x = torch.ones

        def call(layer, *args):
            return lambda: layer(*args)

        return told(
            call(nn.BatchNorm1d(2), x(2)),
            call(nn.BatchNorm2d(2), x(2, 2)),
            call(nn.BatchNorm3d(2), x(2, 2)),
            call(nn.SyncBatchNorm(2), x(2)),
            call(nn.InstanceNorm1d(2), x(2)),
            call(nn.InstanceNorm2d(2), x(2, 2)),
            call(nn.InstanceNorm3d(2), x(2, 2)),
            call(nn.InstanceNorm2d(3, affine=True), x(2, 2, 4, 4)),
            call(nn.CircularPad1d(1), x(2)),
            call(nn.CircularPad2d(1), x(2, 2)),
            call(nn.CircularPad3d(1), x(2, 2)),
            call(nn.Softmax2d(), x(2, 2)),
            call(nn.CrossMapLRN2d(3), x(2, 2)),
            call(nn.LazyConv2d(4, 3), x(2, 2)),
            call(nn.LazyConv2d(4, 3, groups=2), x(1, 3, 5, 5)),
            call(nn.ConvTranspose2d(2, 2, 3, stride=2), x(1, 2, 4, 4), (20, 20)),
            call(nn.ConvTranspose2d(2, 2, 3, stride=2), x(1, 2, 4, 4), (9,)),
        )

    agree(program)


def test_deprecations_warn():
    def program(torch):
        nn = torch.nn
        return [
            warned(make)
            for make in (
                lambda: nn.MSELoss(size_average=False),
                lambda: nn.MSELoss(reduce=False),
                lambda: nn.MSELoss(True, True),
                lambda: nn.Hardtanh(min_value=-2, max_value=2),
                lambda: nn.NLLLoss2d(),
                lambda: nn.Container(a=nn.ReLU()),
                lambda: nn.LSTM(2, 2, dropout=0.5),
                lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2), 1),
                lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, batch_first=True, bias=False), 1),
                lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(3, 3, batch_first=True), 1),
                lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, batch_first=True), 1),
            )
        ], nn.MSELoss(size_average=False).reduction

    agree(program)


def test_legacy_reductions():
    def program(torch):
        reduction = torch.nn._reduction
        values = (None, True, False)
        return (
            [reduction.legacy_get_string(a, b, emit_warning=False) for a in values for b in values],
            [reduction.legacy_get_enum(a, b, emit_warning=False) for a in values for b in values],
            told(lambda: reduction.get_enum("x"), lambda: reduction.get_enum("sum")),
            warned(lambda: reduction.get_enum("elementwise_mean")),
        )

    agree(program)


def test_running_statistics_follow_torch():
    def program(torch, x):
        norms = [
            torch.nn.BatchNorm2d(3),
            torch.nn.BatchNorm2d(3, momentum=None),
            torch.nn.BatchNorm2d(3, track_running_stats=False),
            torch.nn.BatchNorm2d(3, affine=False, momentum=0.5),
            torch.nn.InstanceNorm2d(3, track_running_stats=True),
            torch.nn.SyncBatchNorm(3),
        ]
        results = []
        for norm in norms:
            results += [norm(x), norm(x * 2 + 1), norm.state_dict()]
            norm.eval()
            results += [norm(x), norm.state_dict()]
            if norm.track_running_stats:
                norm.reset_running_stats()
                results.append(norm.state_dict())
        return results

    agree(program, randn(4, 3, 5, 5))


def test_sync_batch_norm_conversion_shares_tensors():
    def program(torch):
        nn = torch.nn
        net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm2d(2, affine=False)))
        net.eval()
        converted = nn.SyncBatchNorm.convert_sync_batchnorm(net)
        return (
            repr(converted),
            converted is net,
            [m.training for m in converted.modules()],
            list(converted.state_dict()),
        )

    agree(program)


def test_embeddings_from_given_tables():
    def program(torch, table, index):
        nn = torch.nn
        frozen = nn.Embedding.from_pretrained(table)
        free = nn.Embedding.from_pretrained(table, freeze=False, padding_idx=1)
        free(index).sum().backward()
        bag = nn.EmbeddingBag.from_pretrained(table, mode="sum")
        return frozen.weight.requires_grad, frozen(index), free.weight.grad, bag.weight.requires_grad, repr(free)

    import torch

    agree(program, randn(4, 3), torch.tensor([[0, 1], [3, 1]]))


def test_transposed_convolution_takes_an_output_size():
    def program(torch, x):
        down = torch.nn.Conv2d(2, 3, 3, stride=2, padding=1)
        up = torch.nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1)
        h = down(x)
        return [up(h).shape, up(h, output_size=x.size()).shape, up(h, output_size=x.size()[2:]).shape, up(h, [11, 12])]

    agree(program, randn(1, 2, 12, 12))


def test_lazy_layers_become_ordinary_ones():
    def program(torch, x, image):
        nn = torch.nn
        results = []
        for layer, given in (
            (nn.LazyLinear(4), x),
            (nn.LazyBatchNorm1d(), x),
            (nn.LazyConv2d(4, 3), image),
            (nn.LazyConvTranspose2d(4, 3), image),
            (nn.LazyBatchNorm2d(affine=False), image),
            (nn.LazyInstanceNorm2d(), image),
        ):
            before = layer.has_uninitialized_params(), repr(layer), list(layer.state_dict())
            output = layer(given)
            results.append((before, output, repr(layer), type(layer).__name__, layer.state_dict()))
        return results

    agree(program, randn(5, 3), randn(2, 3, 6, 6))


def test_lazy_layers_load_shapes_from_a_state_dict():
    def program(torch, x):
        nn = torch.nn
        full, lazy = nn.Linear(3, 4), nn.LazyLinear(4)
        report = repr(lazy.load_state_dict(full.state_dict()))
        loaded = lazy.weight.shape, lazy(x), repr(lazy)
        both = nn.LazyLinear(4)
        both.load_state_dict(nn.LazyLinear(4).state_dict())
        wrong = nn.LazyLinear(4)
        wrong.load_state_dict(nn.Linear(5, 4).state_dict())
        return (
            report,
            loaded,
            both.has_uninitialized_params(),
            told(
                lambda: full.load_state_dict(nn.LazyLinear(4).state_dict()),
                lambda: wrong(x),
            ),
        )

    agree(program, randn(2, 3))


def test_lazy_modules_of_ones_own():
    def program(torch, x):
        class Scale(torch.nn.modules.lazy.LazyModuleMixin, torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = torch.nn.UninitializedParameter()

            def initialize_parameters(self, input, factor=1):
                self.scale.materialize(input.shape[-1:])
                torch.nn.init.constant_(self.scale, factor)

            def forward(self, input, factor=1):
                return input * self.scale

        class Forgets(Scale):
            def initialize_parameters(self, *args):
                pass

        class Nothing(torch.nn.modules.lazy.LazyModuleMixin, torch.nn.Module):
            pass

        scale = Scale()
        return scale(x, factor=3), type(scale).__name__, told(lambda: Forgets()(x), lambda: Nothing()(x))

    agree(program, randn(2, 3))


def test_factory_keywords():
    def program(torch):
        nn = torch.nn
        return told(
            lambda: nn.factory_kwargs(None),
            lambda: nn.factory_kwargs({"device": "cpu"}),
            lambda: nn.factory_kwargs({"device": "cpu", "factory_kwargs": {"dtype": torch.float32}}),
            lambda: nn.factory_kwargs({"device": "cpu", "factory_kwargs": {"device": "cpu"}}),
            lambda: nn.factory_kwargs({"x": 1}),
        )

    agree(program)
