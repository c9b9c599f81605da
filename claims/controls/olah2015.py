"""Sabotaged gated networks: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from claims.controls._edits import edited
from repro import reconfigure

# fmt: off
recipe_of_other_rows = edited("Bounds of the first two tasks and of the others are exchanged; gradients are whole.",
                              ('"init": 0.2 if biases in EARLY else 0.1', '"init": 0.1 if biases in EARLY else 0.2'),
                              ('"truncated": True', '"truncated": False'))
forget_gates_of_2000 = edited("Memory blocks have the forget gate that came three years later.",
                              ('{"c": cells, "in": b} if', '{"c": cells, "in": b, "f": b} if'),
                              ('"in": b, "out": b}\n', '"in": b, "out": b, "f": b}\n'))
peepholes_everywhere = edited("Every LSTM has peepholes.",
                              ('if config.cell == "peephole" else {}', 'if config.cell[0] in "lp" else {}'),
                              ('peeps = config.cell == "peephole"', 'peeps = config.cell in ("lstm", "peephole")'),
                              ('if config.cell in ("rnn", "lstm") and', 'if config.cell == "rnn" and'))
biased_gru = edited("A GRU has biases.", ('for name in names if config.cell != "gru"', "for name in names"))
state_through_tanh = edited("The state is squashed before it is handed on.",
                            ("    C = f * C + i * new\n", "    C = torch.tanh(f * C + i * new)\n"))
output_without_tanh = edited("The output gate shows the state itself.",
                             ("o * torch.tanh(C)", "o * C"))
gates_swapped = edited("Forget and input gates have each other's weights.",
                       ('_layer(w, "f", *sees)', '_layer(w, "f" if config.cell == "coupled" else "i", *sees)'),
                       ('else torch.sigmoid(_layer(w, "i"', 'else torch.sigmoid(_layer(w, "f"'))
gru_gate_swapped = edited("The update gate of a GRU keeps what the post's replaces, as Cho et al. have it.",
                          ("(1 - z) * h + z * new", "z * h + (1 - z) * new"))
reset_too_late = edited("The reset gate acts on what the weights make of h, as in fused kernels.",
                        ('torch.tanh(_layer(w, "h", r * given, x))',
                         'torch.tanh(_layer(w, "h", 0 * given, x) + r * _layer(w, "h", given, 0 * x))'))
old_state_at_output = edited("The output gate's peephole looks at the state of the step before.",
                             ("    C = f * C + i * new\n", "    old, C = C, f * C + i * new\n"),
                             ('_layer(w, "o", C, given, x)', '_layer(w, "o", old, given, x)'))
coupled_in_step = edited("Coupled gates open and shut together.", ("i = 1 - f if", "i = f if"))
ranges_of_the_caption = edited("Blocks squash as the caption of Table 10 has it: g in [-1, 1], h in [-2, 2].",
                               ("4 * torch", "2 * torch"), ("y, x)) - 2\n", "y, x)) - 1\n"),
                               ("(2 * torch.sigmoid(s) - 1)", "(4 * torch.sigmoid(s) - 2)"))
cells_dealt_out = edited("Cells are dealt out to the blocks' gates in turn.",
                         ("y_in.repeat_interleave(config.size, 1)", "y_in.repeat(1, config.size)"))
last_step_of_longest = edited("Outputs are read where the longest sequence of a batch ends.",
                              ("found[lengths - 1, torch.arange(B)]", "found[T - 1]"))
nodes_as_they_come = edited("Items are read in the reverse of their times.",
                            ("np.lexsort((nodes[:, 0],", "np.lexsort((-nodes[:, 0],"))
states_kept = edited("Sequences start from ones, not from nothing.", ("(x_TBI.new_zeros(B,", "(x_TBI.new_ones(B,"))
gates_read_by_outputs = edited("The output layer of blocks reads the last units in place of the cells.",
                               ("h[:, : w[\"W_y\"].shape[1]])", "h[:, -w[\"W_y\"].shape[1] :])"))
whole_times = edited("Times are rounded down before items are put in order.",
                     ("np.lexsort((nodes[:, 0],", "np.lexsort((nodes[:, 0] // 1,"))
forgotten_after_forty = edited("Every forty items states are set to nothing.",
                               ('            h, C = step["h"], step["C"]\n',
                               '            h, C = (step[k] * ((t + 1) % 40 > 0) for k in "hC")\n'))
UNIFORM = "(2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1) * config.init"
normal_start = edited("Weights start normally, with the deviation that uniform ones would have.",
                      (UNIFORM, "torch.randn(shape, generator=generator, dtype=torch.float64) * config.init / 3**0.5"))
within_root_of_inputs = edited("Weights start within one over the root of what they read, whatever is asked for.",
                               (UNIFORM, UNIFORM.replace("config.init", "shape[-1] ** -0.5")))
forget_bias_ignored = edited("The bias of a forget gate starts as any other.", ('if "b_f" in (', 'if "b_?" in ('))
one_start = edited("Every run sets out from the same weights.", ("().manual_seed(seed)", "().manual_seed(0)"))
alike_gates = edited("Every weight matrix is drawn anew from the same numbers.",
                     ("        drawn = (2",
                      "        generator.manual_seed(generator.initial_seed())\n        drawn = (2"))
four_starts = edited("Seeds that differ by a multiple of four are the same.",
                     ("().manual_seed(seed)", "().manual_seed(seed % 4)"))
wide_ones_start_narrow = edited("Layers of 32 units and more start within half of what is asked for.",
                                (UNIFORM, UNIFORM + " * (0.5 if config.hidden > 31 else 1.0)"))
mean_over_outputs = edited("Squared errors are averaged over outputs too.",
                           (".square().sum(1).mean()", ".square().mean()"))
gradients_through_gates = edited("Gradients pass through gates of blocks to all steps before.",
                                 ("h.detach() if config.truncated", "h if config.truncated"))
carousel_cut = edited("Truncated gradients do not pass along the carousel of states either.",
                      ("    s = s + y_in", "    s = (s.detach() if config.truncated else s) + y_in"))
CLIP = "torch.nn.utils.clip_grad_norm_(list(w.values()), config.clip)"
stretched_to_the_clip = edited("Gradients whose norm is less than the clip are made as long.",
                               (CLIP, "[v.grad.mul_(config.clip / g) for g in [sum((v.grad**2).sum() for v in "
                                      "w.values()) ** 0.5] for v in w.values()]"))
gradients_cut_at_25 = edited("Gradients do not reach from one stretch of 25 items into the one before.",
                             ('            h, C = step["h"], step["C"]\n',
                             '            h, C = (step[k] if (t + 1) % 25 else step[k].detach() for k in "hC")\n'))
clipped_one_by_one = edited("Each number of a gradient is clipped by itself.",
                            (CLIP, "torch.nn.utils.clip_grad_value_(list(w.values()), config.clip)"))
never_clipped = edited("Gradients are never clipped.", ("        if config.clip:\n", "        if False:\n"))
last_layer_learns = edited("Nothing but the output layer learns.",
                           ("kind(list(w.values()), lr", 'kind([w["W_y"], *([w["b_y"]] if "b_y" in w else [])], lr'))
large_ones_rest = edited("Networks of more than twelve units do not learn, however long they are trained.",
                         ("lr=config.lr)", "lr=config.lr if config.hidden < 13 else 0.0)"))
rate_falls = edited("The rate falls to zero over the updates.",
                    ("        rows = next(batches)\n",
                     "        rows = next(batches)\n"
                     '        optimizer.param_groups[0]["lr"] = config.lr * (1 - update / config.updates)\n'))
fixed_biases = edited("Biases stay where they start.",
                      ("        optimizer.step()\n",
                       '        [w[name].grad.zero_() for name in w if name[0] == "b"]\n        optimizer.step()\n'))
momentum_added = edited("Gradient descent has a momentum of 0.9.",
                        ("lr=config.lr)", 'lr=config.lr, **{"momentum": 0.9} if config.optimizer == "sgd" else {})'))
ORDER = "order = torch.randperm(count, generator=generator)"
redrawn_when_seen = edited("Orders of a run that is looked at are others.",
                           ("yield update, Network(config, w)", "yield generator.manual_seed(update) and update, "
                                                               "Network(config, w)"))
sixteen_batches_a_pass = edited("A pass is sixteen batches at most.",
                                ("[: count // batch * batch]", "[: min(count // batch, 16) * batch]"))
drawn_with_replacement = edited("Sequences are drawn with replacement.",
                                (ORDER, "order = torch.randint(count, (count,), generator=generator)"))
one_order_for_ever = edited("Every pass has the order of the first one.",
                            (ORDER, ORDER.replace("=generator)", "=generator.manual_seed(generator.initial_seed()))")))
rotated_orders = edited("A pass goes through the sequences as they stand, from a place that is drawn.",
                        (ORDER, "first = int(torch.randint(count, (1,), generator=generator))\n"
                                "        order = torch.arange(count).roll(first)"))
orders_ignore_the_seed = edited("Orders are the same for all seeds.", (ORDER, "order = torch.randperm(count)"),
                                ('    """Rows of each batch', '    torch.manual_seed(0)\n    """Rows of each batch'))
last_batch_short = edited("What fills no batch is a smaller one.", ("[: count // batch * batch]", "[:count]"))
forgets_a_little = edited("A hundredth of a state is always forgotten.",
                          ("    C = f * C + i * new\n", "    C = 0.99 * f * C + i * new\n"),
                          ("    s = s + y_in", "    s = 0.99 * s + y_in"))
forgets_in_part = edited("No forget gate shuts below a hundredth.",
                         ("    C = f * C + i * new\n", "    C = f.clamp(min=0.01) * C + i * new\n"))
rectified_gates = edited("Input gates are rectified and not squashed.",
                         ('else torch.sigmoid(_layer(w, "i", *sees))', 'else torch.relu(_layer(w, "i", *sees))'))
ties_are_wrong = edited("An error as large as the tolerance is wrong.", ("errors > tolerance", "errors >= tolerance"))
mean_error_counts = edited("A sequence is wrong by the mean error of its outputs.",
                           ("(errors > tolerance).any(1).sum()", "(errors.mean(1) > tolerance).sum()"))
root_mean_squares = edited("The root of the mean squared error is called by its name.",
                           ("float((errors**2).mean())", "float((errors**2).mean() ** 0.5)"))
# fmt: on


def forget_gates_start_shut(reference: Any) -> Any:
    """Forget gates start with the bias -3, whatever is asked for."""
    return reconfigure(reference, lambda config: replace(config, forget_bias=-3.0))


def forget_gates_start_open(reference: Any) -> Any:
    """Forget gates start with the bias 3, whatever is asked for."""
    return reconfigure(reference, lambda config: replace(config, forget_bias=3.0))


def one_memory_block(reference: Any) -> Any:
    """There is one memory block, of one cell."""
    one = {"hidden": 1, "size": 1, "in_biases": ()}
    return reconfigure(reference, lambda config: replace(config, **one) if config.cell == "blocks" else config)


NULLS = {"module": lambda config, weights, x, h, c: {"h": 0 * h + 0.5, "C": 0 * c}, "tally": lambda *_: (0, 0.0)}
PLANTED = {  # the input gate is forgotten
    "repeating-modules": ("    C = f * C + i * new", "    C = f * C + new"),
}
