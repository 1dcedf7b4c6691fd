"""Names of ATen's overloads, where these are not ``default`` and ``out``: facts of its interface, read off torch 2.13's registry."""

#: Functions of Python's that no operator of ATen has the name of.
PYTHON_ONLY = frozenset(
    """
    adaptive_max_pool1d_with_indices adaptive_max_pool2d_with_indices adaptive_max_pool3d_with_indices affine_grid
    apply_ as_subclass as_tensor asarray backward bfloat16 bool byte cdouble cfloat char const_data_ptr cpu
    cross_entropy cuda data_ptr dim_order double dropout1d dropout2d dropout3d dsmm eig element_size expit expit_ float
    fold fractional_max_pool2d_with_indices fractional_max_pool3d_with_indices from_numpy frombuffer gammainc gammainc_
    gammaincc gammaincc_ gammaln gammaln_ gaussian_nll_loss grid_sample grouped_mm half hsmm int interpolate ipu
    is_shared lobpcg local_response_norm logsigmoid long lp_pool1d lp_pool2d lp_pool3d lstsq lu map2_ map_ max_unpool1d
    module_load mtia multigammaln multigammaln_ multilabel_soft_margin_loss ndimension nelement new new_tensor normalize
    numpy pca_lowrank psi psi_ register_hook register_post_accumulate_grad_hook reinforce saddmm scaled_mm share_memory_
    short softmin softsign solve spmm storage storage_type svd_lowrank symeig tanhshrink tensor to_sparse_coo tolist
    triplet_margin_with_distance_loss type type_name unique unravel_index untyped_storage upsample upsample_bilinear
    upsample_nearest xpu""".split()
)

_BY_OVERLOADS = {
    "default": (
        "_conj _local_scalar_dense _prelu_kernel _reshape_alias _safe_softmax _unsafe_masked_index "
        "_unsafe_masked_index_put_accumulate adaptive_max_pool1d adjoint alias allclose alpha_dropout argwhere as_strided "
        "batch_norm bilinear broadcast_tensors broadcast_to cartesian_prod ccol_indices cdist chunk coalesce col_indices "
        "combinations conj contiguous conv_transpose1d corrcoef cosine_embedding_loss cosine_similarity cov "
        "cross_entropy_loss crow_indices dense_dim det detach diagflat diagonal dim dropout einsum equal expand expand_as "
        "fake_quantize_per_channel_affine feature_alpha_dropout feature_dropout fft_fftshift fft_ifftshift fliplr flipud "
        "get_device grid_sampler group_norm gru_cell hinge_embedding_loss imag indices instance_norm is_coalesced is_complex "
        "is_conj is_distributed is_floating_point is_inference is_neg is_nonzero is_pinned is_same_size is_set_to is_signed "
        "isclose isfinite isreal istft item kl_div l1_loss layer_norm lift_fresh linalg_diagonal linalg_vander logdet "
        "lstm_cell margin_ranking_loss matrix_exp max_pool1d max_pool1d_with_indices max_pool2d max_pool3d mish_backward "
        "native_channel_shuffle nll_loss_nd norm_except_dim numel one_hot pad pairwise_distance pdist permute pin_memory "
        "pinverse poisson_nll_loss positive prelu ravel real record_stream relu6 reshape reshape_as resolve_conj resolve_neg "
        "retain_grad rms_norm rnn_relu_cell rnn_tanh_cell row_indices rrelu scaled_dot_product_attention selu smm sparse_dim "
        "special_log_softmax special_softmax split_with_sizes storage_offset sum_to_size swapaxes swapdims t tile to_dense "
        "to_sparse_bsc to_sparse_bsr to_sparse_csc to_sparse_csr triplet_margin_loss type_as unfold unsafe_chunk unsqueeze "
        "values vander view_as view_as_complex view_as_real"
    ),
    "Tensor Scalar": (
        "__iand__ __ilshift__ __ior__ __irshift__ __ixor__ __or__ __xor__ add_ bitwise_and_ bitwise_or_ bitwise_xor_ "
        "copysign_ float_power_ floor_divide_ fmod_ mul_ multiply_ remainder_ sub_ subtract_ true_divide_"
    ),
    "default grad_input": (
        "avg_pool2d_backward avg_pool3d_backward gelu_backward glu_backward hardshrink_backward hardsigmoid_backward "
        "hardtanh_backward leaky_relu_backward logit_backward max_pool2d_with_indices_backward mse_loss_backward "
        "sigmoid_backward silu_backward soft_margin_loss_backward softplus_backward softshrink_backward tanh_backward "
        "threshold_backward"
    ),
    "Scalar Tensor": (
        "__and__ eq_ fill_ ge_ greater_ greater_equal_ gt_ le_ lerp_ less_ less_equal_ lt_ masked_fill_ ne_ not_equal_ pow_"
    ),
    "Tensor Scalar Scalar_out Tensor_out": (
        "__lshift__ __rshift__ eq ge greater greater_equal gt le less less_equal lt ne not_equal"
    ),
    "default out x_scalar x_scalar_out n_scalar n_scalar_out": (
        "special_chebyshev_polynomial_t special_chebyshev_polynomial_u special_chebyshev_polynomial_v "
        "special_chebyshev_polynomial_w special_hermite_polynomial_h special_hermite_polynomial_he "
        "special_laguerre_polynomial_l special_legendre_polynomial_p special_shifted_chebyshev_polynomial_t "
        "special_shifted_chebyshev_polynomial_u special_shifted_chebyshev_polynomial_v special_shifted_chebyshev_polynomial_w"
    ),
    "default vec out": (
        "_upsample_bicubic2d_aa _upsample_bilinear2d_aa upsample_bicubic2d upsample_linear1d upsample_nearest1d "
        "upsample_nearest3d upsample_trilinear3d"
    ),
    "int": "select size stride transpose unbind unflatten",
    "out default": "_batch_norm_with_update hspmm huber_loss_backward sparse_mask sspaddmm",
    "default Tensor": "clamp_ clamp_max_ clamp_min_ clip_ narrow",
    "default output": "fractional_max_pool2d fractional_max_pool3d log_sigmoid_forward nll_loss2d_forward nll_loss_forward",
    "Tensor Tensor_out": "frexp index slice_copy split_copy unsafe_split",
    "int int_out": "log_softmax select_copy softmax transpose_copy unbind_copy",
    "default generator out generator_out": "rand rand_like randn randn_like randperm",
    "Tensor Scalar out Scalar_out": "add copysign mul sub",
    "default out dtype_out dtype": "addmm baddbmm bmm mm",
    "Tensor Scalar Scalar_Tensor Tensor_out Scalar_out Scalar_Tensor_out": "bitwise_and bitwise_or bitwise_xor remainder",
    "default Tensor out Tensor_out": "clamp clamp_max clamp_min clip",
    "input data": "gru lstm rnn_relu rnn_tanh",
    "default out vec": "_upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d",
    "default Sequence": "atleast_1d atleast_2d atleast_3d",
    "default periodic out periodic_out": "bartlett_window blackman_window hann_window",
    "Tensor Scalar Tensor_out Scalar_out": "bucketize fmod rsub",
    "default padding": "conv1d conv2d conv3d",
    "x dx": "cumulative_trapezoid trapezoid trapz",
    "int array": "dsplit hsplit vsplit",
    "default values": "kthvalue mode topk",
    "default other_scalar self_scalar out self_scalar_out other_scalar_out": "special_xlog1py special_xlogy special_zeta",
    "default dim dims out dims_out all_out": "all any",
    "Tensor Tensor_Scalar Scalar_Tensor Tensor_out Tensor_Scalar_out Scalar_Tensor_out": "bitwise_left_shift bitwise_right_shift",
    "Tensor_Scalar Tensor": "bitwise_left_shift_ bitwise_right_shift_",
    "input": "conv_transpose2d conv_transpose3d",
    "Scalar Scalar_out Tensor Tensor_out": "fill masked_fill",
    "Tensor_Tensor Tensor_Scalar Scalar Tensor_Tensor_out Scalar_out Tensor_Scalar_out": "float_power pow",
    "default U": "linalg_svd svd",
    "Tensor_Tensor Tensor_Scalar Scalar_Tensor default out Tensor_Tensor_out Tensor_Scalar_out Scalar_Tensor_out": (
        "linspace logspace"
    ),
    "default dim dim_values out": "median nanmedian",
    "Tensor Scalar out": "multiply true_divide",
    "default scalar out scalar_out": "nanquantile quantile",
    "ccol_row_value_size ccol_row_value": "sparse_bsc_tensor sparse_csc_tensor",
    "crow_col_value_size crow_col_value": "sparse_bsr_tensor sparse_csr_tensor",
    "default dim dims": "squeeze squeeze_",
    "default dim correction correction_out out": "std var",
    "default dim correction correction_out": "std_mean var_mean",
    "default vec out vec_out": "upsample_bilinear2d upsample_nearest2d",
    "default no_stats out no_stats_out": "_native_batch_norm_legit",
    "default start start_step start_out out": "arange",
    "default stable stable_out": "argsort",
    "default out p Tensor Tensor_out float_out": "bernoulli",
    "Tensor float": "bernoulli_",
    "default dim_IntList dim_IntList_out out": "count_nonzero",
    "IntList Tensor": "ctc_loss",
    "Tensor Scalar Tensor_mode Scalar_mode out out_mode Scalar_out Scalar_mode_out": "div",
    "Tensor Tensor_mode Scalar Scalar_mode": "div_",
    "Tensor Scalar Tensor_mode Scalar_mode out out_mode": "divide",
    "Tensor Tensor_mode Scalar_mode Scalar": "divide_",
    "default padding_idx": "embedding_bag",
    "memory_format out": "empty",
    "default m out m_out": "eye",
    "default tensor_qparams": "fake_quantize_per_tensor_affine",
    "using_ints": "flatten",
    "default Scalar out Scalar_out": "floor_divide",
    "dim out": "frobenius_norm",
    "default a": "geqrf",
    "scalarint scalararray array scalarrayint scalarrayarray tensorarrayint tensorarray": "gradient",
    "default periodic periodic_alpha periodic_alpha_beta out periodic_out periodic_alpha_out periodic_alpha_beta_out": (
        "hamming_window"
    ),
    "bins_tensor bins_tensor_out bin_ct bin_ct_out": "histogram",
    "default int_bins TensorList_bins": "histogramdd",
    "int_Tensor int_Scalar int_Scalar_out int_Tensor_out": "index_fill",
    "int_Tensor int_Scalar": "index_fill_",
    "default memory_format": "is_contiguous",
    "Tensor_Tensor Tensor_Tensor_out Tensor_Scalar Tensor_Scalar_out Scalar_Tensor Scalar_Tensor_out": "isin",
    "default periodic beta out periodic_out beta_out": "kaiser_window",
    "Tensor out": "ldexp",
    "Scalar Tensor Scalar_out Tensor_out": "lerp",
    "default L": "linalg_cholesky_ex",
    "default p_str out p_str_out": "linalg_cond",
    "default eigvals": "linalg_eigh",
    "default inverse": "linalg_inv_ex",
    "default str_ord out str_ord_out": "linalg_matrix_norm",
    "default tol_tensor atol_rtol_tensor atol_rtol_float atol_rtol_tensor_out atol_rtol_float_out out out_tol_tensor": (
        "linalg_matrix_rank"
    ),
    "default ord_str out ord_str_out": "linalg_norm",
    "default atol_rtol_float atol_rtol_tensor atol_rtol_tensor_out atol_rtol_float_out out rcond_tensor out_rcond_tensor": (
        "linalg_pinv"
    ),
    "other default dim dim_max unary_out out": "max",
    "default dim out dtype_out": "mean",
    "default indexing": "meshgrid",
    "other default dim dim_min unary_out out": "min",
    "intlist int": "moveaxis",
    "int intlist": "movedim",
    "out ScalarOpt_dim_dtype_out default ScalarOpt_dim_dtype": "native_norm",
    "Scalar ScalarOpt_dim ScalarOpt_dim_dtype dtype_out out ScalarOpt_dtype ScalarOpt_dtype_out Scalar_out": "norm",
    (
        "Tensor_float Tensor_float_out float_Tensor_out float_Tensor Tensor_Tensor Tensor_Tensor_out float_float "
        "float_float_out out"
    ): (
        "normal"
    ),
    "default dim out dim_out": "nuclear_norm",
    "default dim_int int_out out": "prod",
    "default Q": "qr",
    "default generator low low_generator out generator_out low_out low_generator_out": "randint",
    (
        "default Tensor low_dtype generator Tensor_generator low_generator_dtype out generator_out Tensor_out "
        "Tensor_generator_out low_dtype_out low_generator_dtype_out"
    ): (
        "randint_like"
    ),
    "from to default": "random_",
    "step default out out_": "range",
    "Tensor self_Tensor self_int Tensor_out": "repeat_interleave",
    "default decimals out decimals_out": "round",
    "default decimals": "round_",
    "value src reduce value_reduce src_out value_out reduce_out value_reduce_out": "scatter",
    "src value reduce value_reduce": "scatter_",
    "two two_out": "scatter_reduce",
    "two": "scatter_reduce_",
    "Tensor Tensor_out Scalar Scalar_out": "searchsorted",
    "source_Storage_storage_offset source_Tensor default source_Storage source_Tensor_storage_offset": "set_",
    "Tensor": "slice",
    "grad_input default": "smooth_l1_loss_backward",
    "default stable values_stable values": "sort",
    "comp_plain_value_size comp_plain_value": "sparse_compressed_tensor",
    "size indices indices_size size_out": "sparse_coo_tensor",
    "Tensor sizes": "split",
    "default dim dims out dim_out dims_out": "squeeze_copy",
    "default center": "stft",
    "Tensor out Scalar": "subtract",
    "dim_IntList default IntList_out out": "sum",
    "sections indices tensor_indices_or_sections": "tensor_split",
    "device dtype other dtype_layout": "to",
    "sparse_dim default": "to_sparse",
    "default X": "triangular_solve",
    "default dtype": "view",
    "default dtype out dtype_out": "view_copy",
    "self ScalarOther ScalarSelf Scalar default self_out": "where",
    "Tensor Scalar_Other Scalar_Self OutTensor OutScalar_Self OutScalar_Other": "xlogy",
    "Tensor Scalar_Other": "xlogy_",
}  # fmt: skip
#: By the operator.
OVERLOADS = {name: tuple(overloads.split()) for overloads, names in _BY_OVERLOADS.items() for name in names.split()}
