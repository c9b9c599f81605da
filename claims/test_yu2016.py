"""Multi-Scale Context Aggregation by Dilated Convolutions (Yu and Koltun, 2016)."""

from __future__ import annotations

from typing import Any

from claims.experiments import dense_courses as courses
from claims.experiments import dense_training as training
from claims.experiments import receptive_fields as fields
from claims.experiments import yu2016_exact as exact
from claims.experiments.dense_recipes import recipe
from claims.experiments.label_scenes import SceneLabelling
from claims.experiments.yu2016 import DensePredictor, LabelMaps, some_maps
from repro import Contract, Paper, Reported, Run, all_of, at_least, at_most, claim, equals, higher, holds

PAPER = Paper(
    key="yu2016",
    title="Multi-Scale Context Aggregation by Dilated Convolutions",
    authors=("Fisher Yu", "Vladlen Koltun"),
    year=2016,
    venue="ICLR 2016",
    arxiv="1511.07122v3",
    url="https://arxiv.org/abs/1511.07122",
    story=(
        "A network that labels pixels wants a wide view and a fine map, and pooling buys the one with the other. The "
        "paper takes the last two poolings of VGG-16 out and dilates the filters behind them instead, and adds a "
        "context module of 3x3 layers whose dilation doubles: its view grows exponentially, its weights linearly, and "
        "its map stays as large as it was. Dilation stayed in semantic segmentation (DeepLab's atrous pyramids), and "
        "WaveNet took it to sound.\n\n"
        "Where people go wrong: the module does not learn from random weights; it starts as the identity. With "
        "truncation behind each layer that is the identity on maps without negative numbers, max(x, 0) on others. "
        "Dilations that share a factor, such as 2, 2, 2, see a wide field with holes in it (gridding, as Yu et al. "
        "called it in 2017). Padding belongs around the input, not into each layer, save in Appendix A; and Eq. 2 is "
        "a true convolution, which libraries' layers are not.\n\n"
        "All that can be recomputed agrees: the receptive fields of Table 1, 64 C^2 weights, the sizes of crops and "
        "maps, and the means of Tables 5 to 8. The network for Cityscapes that the authors published has a learned "
        "up-convolution of which Appendix A.3 says nothing, and its author says that it gave the printed numbers "
        "(fyu/dilation, issue 18): a detail left out, not a wrong number.\n\n"
        "What runs anywhere is a smaller module on generated label maps that noise has corrupted, in place of a front "
        "end's scores. VOC 2012, CamVid's photographs and the weights of VGG-16 are not here: their loaders were tried "
        "on made-up folders of that layout, and no claim that needs a GPU has been run. CRFs, joint training, COCO and "
        "the front end's gain over networks with poolings at equal training (Table 2) are left out."
    ),
)

BASIC = Reported(64.0, "C^2", "Section 3, weights of the basic context module")
FRONT_TEST = Reported(67.6, "%", "Table 2, our front end, mean IoU, VOC 2012 test")
FRONT_VAL = Reported(69.8, "%", "Table 3, front end, mean IoU, VOC 2012 validation")
BASIC_VAL = Reported(71.3, "%", "Table 3, front end + basic, mean IoU, VOC 2012 validation")
LARGE_VAL = Reported(72.1, "%", "Table 3, front end + large, mean IoU, VOC 2012 validation")
CAMVID = Reported(65.3, "%", "Table 5, Dilation8, mean IoU, CamVid test")

SMALL: dict[str, Any] = {"classes": 4, "dilations": (1, 1, 2, 4, 8, 1), "multiples": (1,) * 6, "padding": 17}
SMALL |= {"size": (32, 32), "batch": 4, "rate": 0.01, "updates": 80}
PLAIN: dict[str, Any] = {"dilations": (1,) * 6, "padding": 6}
TINY: dict[str, Any] = {"classes": 4, "dilations": (1, 2, 1), "multiples": (1,) * 3, "padding": 4, "size": (12, 12)}
TINY |= {"batch": 4, "rate": 0.02, "updates": 12, "start": "gaussian", "noise": 0.3}

CONTRACT = Contract(
    protocol=DensePredictor,
    preset="basic",
    overrides=TINY,
    generate=some_maps,
    timed="identity-start-is-needed",
)

STARTED = ["forgets_the_share", "noise_in_the_middle", "noise_as_variance", "counts_inputs_alone", "one_start"]
STARTED += ["draws_alike", "four_seeds_in_all"]
LEARNT = ["counts_unlabelled", "averages_maps", "dampens", "decays_weights", "fixes_biases", "ignores_its_start"]
LEARNT += ["learns_the_last_layer", "trains_nothing", "slows_deep_modules", "stops_after_forty", "falls_after_ninety"]
LEARNT += ["slope_at_zero", "exponentials_overflow"]
COMPUTED = ["pads_every_layer", "truncates_scores", "repeats_the_edge", "averages_in_pooling", "dilates_its_own_block"]
COMPUTED += ["dilates_once", "predicts_alike"]

TAKEN = ["draws_with_replacement", "keeps_one_order", "keeps_orders_twice", "never_shuffles", "one_start"]
TAKEN += ["never_takes_the_last", "shuffles_nearby", "draws_where_watched", "four_seeds_in_all"]

NEAR, SAME, LEAST, MOST = holds(1e-4), holds(), holds(relation="at_least"), holds(relation="at_most")


# Mechanism: what networks of drawn weights compute, see, weigh, start from and learn, against the paper's equations.


@claim("dilated-operator", holds(1e-5), controls=["correlates", "transposes", "keeps_the_shape"])
def test_dilated_operator(run: Run):
    """Section 2, Eq. 2: l-dilated convolution sums F(s) k(t) over s + l t = p, without building a dilated filter."""
    return run(exact.operator, "basic")["off"]


@claim("forward", all_of(NEAR, NEAR, holds(1e-6)), controls=COMPUTED)
def test_forward(run: Run):
    """Sections 3 and 4: layers of modules and front ends give what dilated layers of the padded input do, cut at 0."""
    arm = run(exact.forward, "basic")
    return arm["layers"], arm["predicted"], arm["states"]


@claim("receptive-fields", all_of(SAME, holds(1e-3)), controls=["undilated", "linear_dilations", "gridding"])
def test_receptive_fields(run: Run):
    """Table 1: layers of the context module see 3, 5, 9, 17, 33, 65, 67 and 67 places a side."""
    arm = run(fields.fields, "basic")
    return arm["table"], arm["ways"]


@claim("fields-grow-exponentially", all_of(SAME, SAME), controls=["undilated", "linear_dilations", "widens_layers"])
def test_fields_grow_exponentially(run: Run):
    """Section 2: with dilations 1, 2, 4, ... fields have (2^(i+2) - 1)^2 places, and weights grow linearly."""
    return run(fields.fields, "basic")["powers"], run(exact.counts, "basic")["per layer"]


@claim("no-loss-of-coverage", all_of(SAME, holds(1e-3)), controls=["gridding", "pads_short"])
def test_no_loss_of_coverage(run: Run):
    """Section 2, Figure 1: fields have no holes, and maps keep their size."""
    arm = run(fields.fields, "basic")
    return arm["filled"], arm["ways"]


@claim("modules-of-appendix-a", all_of(SAME, SAME), controls=["one_wider_layer", "keeps_layer_six"])
def test_modules_of_appendix_a(run: Run):
    """Appendix A: Dilation7, 8 and 10 have as many layers, and so see 35, 67 and 259 places a side."""
    return run(fields.fields, "basic")["urban"], run(exact.counts, "basic")["layers"]


@claim("weights", all_of(equals(BASIC, within=0.0), SAME, SAME), controls=["five_by_five", "large_as_basic"])
def test_weights(run: Run):
    """Section 3: the basic module has 64 C^2 weights, and all networks those of Table 1 and Section 4."""
    arm = run(exact.counts, "basic")
    return arm["basic"], arm["sizes"], arm["totals"]


@claim("front-end-geometry", all_of(SAME, SAME), controls=["keeps_pool_four", "dilates_once", "pads_every_layer"])
def test_front_end_geometry(run: Run):
    """Section 4, Appendix A: the front end sees 380 pixels, has a stride of 8, and gives maps of 64x64."""
    arm = run(fields.geometry, "basic")
    return arm["sides"], arm["seen"]


@claim("recipe", all_of(SAME, MOST), controls=["smaller_batches", "presets_start_at_random", "loud_noise"])
def test_recipe(run: Run):
    """Sections 3 to 5, Appendix A: batches, rates, momentum, iterations and starts are those that are printed."""
    arm = run(recipe, "basic")
    return arm["other"], arm["noise"]


@claim("start", all_of(holds(1e-6), LEAST, holds(6.0), SAME, holds(0.05)), controls=STARTED)
def test_start(run: Run):
    """Section 3, Eqs. 4 and 5: filters start as the identity, or as C / c and noise; random ones as their rules say."""
    arm = run(exact.starts, "basic")
    return tuple(arm[name] for name in ("fixed", "chance", "alike", "same", "again"))


@claim("identity-passes-maps-on", all_of(holds(1e-5), NEAR, SAME), controls=["forgets_the_share", "starts_at_random"])
def test_identity_passes_maps_on(run: Run):
    """Section 3, Eqs. 4 and 5: at the start a module passes its input on, as far as that is not negative."""
    arm = run(exact.passed_on, "basic")
    return arm["ends"], arm["gains"], arm["kept"]


@claim("updates", all_of(holds(1e-3), NEAR, holds(1e-6), holds(1e-3), holds(0.02)), controls=LEARNT)
def test_updates(run: Run):
    """Section 4: all weights learn by stochastic gradient descent with momentum on the cross-entropy of labels."""
    arm = run(training.updates, "basic")
    identities, late = run(training.identities, "basic")["distance"], run(courses.late, "basic")["late"]
    return arm["distance"], arm["predicted"], arm["given"], identities, late


@claim("passes", all_of(holds(1e-4), MOST, LEAST, SAME, SAME, holds(6.0), SAME), controls=TAKEN)
def test_passes(run: Run):
    """Section 4: mini-batches take each training map once a pass, in orders that are drawn."""
    arm = run(courses.passes, "basic")
    return tuple(arm[name] for name in ("apart", "repeated", "orders", "seeds", "never", "kept", "watched"))


@claim("compared-updates", holds(0.02), controls=["adam_on_large_maps", "random_starts_learn_biases", "undilated_slow"])
def test_compared_updates(run: Run):
    """Section 4: the networks that are compared below learn by the same rule, each by its own gradient."""
    return run(courses.compared, "basic", **SMALL)["far"]


# Direction: the module without layer 6, which sees 35 places, on corrupted label maps of 32x32 and four classes.

BETTER = higher(by=30.0)


@claim(
    "identity-start-is-needed",
    all_of(BETTER, BETTER, BETTER, *2 * [at_most(0.15), at_least(-2.5)], at_least(80.0)),
    seeds=4,
    controls=["starts_at_random", "never_trained", "random_never_trained", "stops_early"],
)
def test_identity_start_is_needed(run: Run):
    """Section 3: random initialization is not effective for the context module, and the identity much more so."""
    identity = run(LabelMaps(), "basic", arm="identity", **SMALL)
    xavier = run(LabelMaps(), "basic", arm="xavier", start="xavier", **SMALL)
    gaussian = run(LabelMaps(), "basic", arm="gaussian", start="gaussian", noise=0.01, **SMALL)
    above = [(identity["iou"], other) for other in (identity["given"], xavier["iou"], gaussian["iou"])]
    return *above, xavier["excess"], xavier["moved"], gaussian["excess"], gaussian["moved"], identity["iou"]


@claim(
    "dilation-helps",
    all_of(higher(by=4.0), BETTER),
    seeds=4,
    controls=["undilated", "undilated_never_trained"],
)
def test_dilation_helps(run: Run):
    """Table 3: context helps; here a dilated module beats the same layers without dilation, which beat their input."""
    # At the rate that suits each best they differ by 7 points, at this one by 12.
    dilated = run(LabelMaps(), "basic", arm="identity", **SMALL)
    plain = run(LabelMaps(), "basic", arm="undilated", **SMALL | PLAIN)
    return (dilated["iou"], plain["iou"]), (plain["iou"], plain["given"])


# Number: first label maps of CamVid, corrupted and restored, in minutes of a core; then photographs, of which no claim
# has been run: what they cost is an estimate.

SCENES: dict[str, Any] = {"classes": 11, "size": (60, 80), "batch": 4, "rate": 0.01, "updates": 150}
LATER: dict[str, Any] = {"tier": "cluster", "evidence": "reduced", "seeds": 3}


@claim(
    "context-restores-real-maps",
    all_of(BETTER, BETTER, higher(by=1.0), BETTER),
    **LATER,
    controls=["starts_at_random", "undilated"],
    cost="a quarter of an hour of one CPU core, with the label maps of CamVid",
)
def test_context_restores_real_maps(run: Run):
    """Section 3, Table 3: on CamVid's label maps, too, the identity and dilation are what helps."""
    arms = [LabelMaps(examples=367, tests=60)] * 3
    identity = run(arms[0], "basic", data="camvid_labels", arm="identity", **SCENES)
    xavier = run(arms[1], "basic", data="camvid_labels", arm="xavier", start="xavier", **SCENES)
    plain = run(arms[2], "basic", data="camvid_labels", arm="undilated", dilations=(1,) * 7, padding=7, **SCENES)
    above = [(identity["iou"], other) for other in (identity["given"], xavier["iou"], plain["iou"])]
    return *above, (plain["iou"], plain["given"])


@claim(
    "context-beats-the-front-end",
    all_of(at_least(FRONT_TEST, minus=1.0), higher(by=0.5), higher(by=1.0), higher()),
    tier="gpu",
    evidence="reduced",
    seeds=3,
    controls=["undilated", "ignores_its_start"],
    reported=[FRONT_TEST, FRONT_VAL, BASIC_VAL, LARGE_VAL],
    cost="an estimated two days a seed on one H200, with VOC 2012 and the weights of VGG-16",
)
def test_context_beats_the_front_end(run: Run):
    """Table 3: the front end is as good as Table 2 says, the basic module adds to it, and the large one adds more."""
    arm = run(SceneLabelling(("basic", "large")), "front-end", data="voc2012")
    front, basic, large = (arm[name] for name in ("front end", "basic", "large"))
    return front, (basic, front), (large, front), (large, basic)


@claim(
    "camvid-dilation8",
    at_least(CAMVID, minus=3.3),
    tier="gpu",
    evidence="reduced",
    seeds=3,
    controls=["undilated", "ignores_its_start"],
    cost="an estimated day a seed on one H200, with CamVid and the weights of VGG-16",
)
def test_camvid_dilation8(run: Run):
    """Table 5: Dilation8 reaches a mean IoU of 65.3 % on CamVid; here at least 62, trained one after the other."""
    return run(SceneLabelling(("dilation8",)), "front-end-camvid", data="camvid")["dilation8"]
