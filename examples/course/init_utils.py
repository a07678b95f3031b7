"""The helper module that the "Initialization" assignment's notebook imports; goodinit.course has the code.

The assignment is from week 1 of "Improving Deep Neural Networks" (Andrew Ng, deeplearning.ai). A notebook in this
folder that says `from init_utils import ...` runs as it stands. The modules are here because the original helper
has them too, and `from init_utils import *` brought them along.
"""

# ruff: noqa: F401
import matplotlib.pyplot as plt
import numpy as np
import sklearn
import sklearn.datasets

from goodinit.course import (
    backward_propagation,
    compute_loss,
    forward_propagation,
    initialize_parameters_he,
    initialize_parameters_random,
    initialize_parameters_zeros,
    load_dataset,
    model,
    plot_decision_boundary,
    predict,
    predict_dec,
    relu,
    sigmoid,
    update_parameters,
)
