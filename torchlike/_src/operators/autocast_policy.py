"""What autocast does to the arguments of which op, by type of device: the one place that says so.

Torch's lists name what its dispatcher sees. Ops that consist of such calls there and are one op here (`einsum`, `inner`, the
layers of an LSTM) stand in the list of what they consist of. Where such a call is the last of several (`cov`, `linalg.pinv`),
the result is float32 here and bfloat16 in torch. Casting is `tensor/autocast.py`'s business.
"""

#: To the dtype of the region.
LOWER = "lower"
#: To float32.
FLOAT32 = "float32"
#: To the widest dtype among the arguments, at least that of the region.
WIDEST = "widest"
#: A half-precision input stays, and the ``dtype`` argument, unless given, becomes float32.
FLOAT32_RESULT = "float32 result"
#: To float32 if the state of the recurrent cell (the second argument) is wider than the region's dtype, else to that.
AS_STATE = "as the state"
#: As `AS_STATE`, but for the modes that torch's CPU computes in the region's dtype.
RECURRENT = "recurrent"
#: To the dtype of the region where torch computes a product of matrices, and not one of numbers or of two vectors.
CONTRACTION = "contraction"
#: As `FLOAT32`, but for reflection in three dimensions, which torch's list lacks.
EDGES = "edges"
#: An error: the op is unsafe in half precision.
REFUSED = "refused"


def _table(**lists: str) -> dict[str, str]:
    return {name: policy for policy, names in _spelled(lists).items() for name in names.split()}


def _spelled(lists: dict[str, str]) -> dict[str, str]:
    return {globals()[name]: names for name, names in lists.items()}


_PRODUCTS = """
    mm bmm addmm addbmm baddbmm linalg.vecdot linalg.multi_dot nn.functional.linear prelu
    conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d
    _matmul_batches _vector_matrix _matmul_vectors _matmul_vector
    _scaled_dot_product_attention _attention_weights
"""
_LOSSES = """
    nn.functional.mse_loss nn.functional.l1_loss nn.functional.huber_loss nn.functional.smooth_l1_loss
    nn.functional.nll_loss nn.functional.kl_div nn.functional.poisson_nll_loss nn.functional.soft_margin_loss
    nn.functional.multi_margin_loss nn.functional.multilabel_margin_loss nn.functional.binary_cross_entropy_with_logits
    cosine_embedding_loss hinge_embedding_loss margin_ranking_loss triplet_margin_loss
"""
_HOST_FLOAT32 = """
    nn.functional.cross_entropy nn.functional.binary_cross_entropy _ctc_loss
    nn.functional.avg_pool3d nn.functional.adaptive_avg_pool3d _adaptive_max_pool3d max_pool3d
    _max_unpool _fractional_max_pool _grid_sampler
    polar prod quantile nanquantile cdist trace
    fft.fft fft.ifft fft.rfft fft.irfft fft.hfft fft.ihfft fft.fftn fft.ifftn fft.rfftn fft.irfftn _frequencies
    _cholesky_ex cholesky_inverse cholesky_solve _inv_ex _pinv linalg.lu_solve
    linalg.householder_product ormqr geqrf linalg.qr linalg.svd svd linalg.svdvals
    linalg.eig linalg.eigh linalg.eigvals linalg.eigvalsh _cond _matrix_rank _solve_ex _lstsq triangular_solve
    linalg.tensorinv linalg.tensorsolve _fake_quantize_numbers _fake_quantize_tensors
    view_as_complex
"""

#: By type of device and first public name of the op.
POLICIES: dict[str, dict[str, str]] = {
    "cpu": _table(
        LOWER=_PRODUCTS + "rnn_tanh_cell rnn_relu_cell",
        FLOAT32=_LOSSES + _HOST_FLOAT32,
        WIDEST="cat stack index_copy",
        CONTRACTION="_einsum _tensordot inner",
        EDGES="_pad_edges",
        AS_STATE="_lstm_cell gru_cell",
        RECURRENT="_recurrent_layers",
    ),
    "cuda": _table(
        LOWER=_PRODUCTS + "_einsum addmv addr mv _recurrent_layers _lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell",
        FLOAT32=_LOSSES
        + """
            acos asin cosh erfinv exp expm1 log log10 log1p log2 reciprocal rsqrt sinh tan pow
            nn.functional.softplus nn.functional.layer_norm _group_norm rms_norm cosine_similarity
            nn.functional.pdist cdist dist renorm logsumexp _interpolate _local_response_norm
            nn.functional.cross_entropy nn.functional.multilabel_soft_margin_loss pairwise_distance
            _reflected_div square trapezoid cumulative_trapezoid
        """,
        FLOAT32_RESULT="prod sum softmax log_softmax cumprod cumsum linalg.vector_norm _matrix_norm",
        WIDEST="addcdiv addcmul atan2 bilinear dot vdot inner _tensordot _grid_sampler _index_put scatter_add",
        REFUSED="nn.functional.binary_cross_entropy",
    ),
    # torch_xla's list, which is the CPU's with a few additions and without attention, whose parts it sees.
    "xla": _table(
        LOWER=_PRODUCTS + "rnn_tanh_cell rnn_relu_cell relu",
        FLOAT32=_LOSSES + _HOST_FLOAT32 + "_batch_norm_train _batch_norm_eval log_softmax",
        WIDEST="cat stack index_copy",
        CONTRACTION="_einsum _tensordot inner",
        EDGES="_pad_edges",
        AS_STATE="_lstm_cell gru_cell",
        RECURRENT="_recurrent_layers",
    ),
}
