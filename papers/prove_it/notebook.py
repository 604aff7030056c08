# %% [markdown]
# # Prove it: from correlation to experiment
#
# Two things in a picture go together: where one is high, so is the other. Does the first cause the second, the second the first, or does something that nobody measured cause both? The picture cannot say, however sharp it is. This lesson asks three questions in turn: *what may be said* from the picture (less than one would like), *what would prove it* (before the first shot, with its price), and *what has been proved* once it was done (a claim with its limits, or honestly none).
#
# The sample is a **digital twin**: it answers as an instrument does, with noise, and keeps its truth to itself until the end. So we can check every claim.
#
# *To open it:* `make lessons` in the folder of the clone. The whole lesson takes under a minute on an idle laptop.

# %%
import json
import os

import matplotlib.pyplot as plt
import numpy as np

from physlearn.causal import (
    Action,
    Asked,
    DigitalTwin,
    ExperimentPlan,
    Instrument,
    OperatingOptions,
    Planner,
    PlannerOptions,
    PlanStep,
    Policy,
    SafetyEnvelope,
    SeverityOptions,
    StructuralSample,
    counterfactuals,
    discover_graph,
    estimate_effect,
    hypothesis_from_draws,
    operating_table,
    run_campaign,
)
from physlearn.checks import InputError
from physlearn.plots import plot_campaign, plot_campaign_evidence, plot_graph, plot_patches

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#999999"
FAST = os.environ.get("PHYSLEARN_FAST") == "1"  # the tests: fewer replicates, same code
NOISE = 0.3  # of one readout


# %% [markdown]
# ## 1. A picture in which two things go together
#
# A grid of 24 x 24 patches, two numbers in each: a *driver* (a composition, say) and a *response* (a brightness, a switching field). Behind both lies a smooth background, a strain or a thickness, that no channel shows.


# %%
def new_twin(**truth):
    # a twin of confounded patches that has taken one picture: what is planted stays hidden in it
    planted = {"effect": 0.8, "background_to_driver": 1.5, "background_to_response": 1.5, **truth}
    twin = DigitalTwin(StructuralSample(**planted), Instrument(readout_noise_sd=NOISE), rng=6)
    whole = dict(zip(("x_min", "y_min", "x_max", "y_max"), twin.field_of_view))
    twin.do(Action("image", whole, dose=5.0, duration_s=60.0, cost=1.0))
    return twin, twin.tables[-1]


twin, table = new_twin()
driver, response = (table.frame[name].to_numpy() for name in ("driver", "response"))
seen_slope = np.polyfit(driver, response, 1)[0]
correlation = np.corrcoef(driver, response)[0, 1]
print(f"{table.n_patches} patches, correlation {correlation:.2f}")
print(f"one unit more of driver goes with {seen_slope:.2f} more of response")

_, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
plot_patches(table, "driver", ax=axes[0])
plot_patches(table, "response", ax=axes[1])
axes[2].plot(driver, response, ".", color=GREY, ms=4)
ends = np.array([driver.min(), driver.max()])
line = seen_slope * (ends - driver.mean()) + response.mean()
axes[2].plot(ends, line, color=ORANGE, label=f"slope {seen_slope:.2f}")
axes[2].set(xlabel="driver", ylabel="response")
axes[2].legend(frameon=False)
plt.show()

# %% [markdown]
# A correlation that nobody would doubt. Now the three questions that one would like to answer with it: who causes whom; how much; and what would *this* patch have shown had its driver been another? The graph search below (`method="fci"`) is one that knows about hidden common causes.

# %%
graph = discover_graph(table, method="fci", n_resamples=0, rng=0)
plot_graph(graph.graph)
for edge in graph.edges:
    marks = f"{edge.mark_source} at {edge.source}, {edge.mark_target} at {edge.target}"
    print(f"a link between {edge.source} and {edge.target}, with a {marks}")
print(f"- {graph.warnings[0]}")

effect = estimate_effect(table, graph, "driver", "response", contrast=(0, 1), rng=0)
print(f"\nHow much? identified: {effect.identified}\n- {effect.reason}")
print(f"- what would help without an act: knowing {effect.would_identify[0]}")

PATCH = int(np.argmin(np.abs(driver + 1.5)))  # a patch with little of the driver
what_if = counterfactuals(
    table, graph, do={"driver": 1.0}, outcome="response", patches=[PATCH], rng=0
)
print(f"\nHad patch {PATCH} a driver of 1? identified: {bool(what_if.identified[0])}")
print(f"- {what_if.reason}")
assert not effect.identified and not what_if.identified.any()

# %% [markdown]
# The circles at both ends mean: *may be confounded*. Whoever reports the slope of the scatter plot as an effect reports one of the answers that fit the picture; so would whoever reports zero. `estimate_effect` and `counterfactuals` refuse, and say between which answers the picture leaves the choice. **No cleverness with this picture gets round that: more patches only make the correlation firmer.**
#
# ## 2. What would prove it
#
# An act. Set the driver of one patch by hand, for example with the beam: then nothing else decides it any more, the background included, and whatever follows in the response follows *from the driver*. Set the response, and see whether the driver follows.
#
# Acts cost something. Here each burns its patch (it is irreversible) and takes the dose that the change needs.

# %%
DOSE_PER_UNIT, ALLOWED_DOSE = 5.0, 290.0  # to change a column by one unit; for the whole sample
LEVELS = (-3.0, -2.2, -1.4, -0.7, 0.7, 1.4, 2.2, 3.0)


def possible_acts(table):
    # set either column to one of the levels, in patches near 0 that don't touch; two for each
    acts, taken = [], []
    for column in ("driver", "response"):
        values = table.frame[column].to_numpy()
        for level in np.repeat(LEVELS, 2):
            for patch in np.argsort(np.abs(values), kind="stable"):
                away = np.linalg.norm(table.centers[taken] - table.centers[patch], axis=1)
                if not taken or away.min() >= 2:
                    break
            taken.append(patch)
            x, y = (float(place) for place in table.centers[patch])
            label = f"setting the {column} of patch {patch} to {level:+g}"
            where = {"x": x, "y": y, "column": column, "to": float(level), "label": label}
            dose = DOSE_PER_UNIT * abs(level - values[patch])
            acts.append(Action("expose_site", where, float(dose), 5.0, 1.0, irreversible=True))
    return acts


acts = possible_acts(table)
envelope = SafetyEnvelope(ALLOWED_DOSE, twin.field_of_view, max_irreversible=len(acts))
print(f"{len(acts)} acts are possible, {sum(act.dose for act in acts):.0f} e/A² in all; ", end="")
print(f"the sample stands {ALLOWED_DOSE:.0f} e/A²")

# %% [markdown]
# Now the explanations, as *predictions*. A hypothesis here is a set of members, each a full answer: "the driver sets the response with slope 0.31", "... with slope 1.2", and so on. What a hypothesis does not know about itself (its slope) varies from member to member; what it forbids, no member does. (Slopes below 0.25 and negative ones are left to exercise (b).)

# %%
rng = np.random.default_rng(1)
SLOPES = {"slope": rng.uniform(0.25, 1.5, 2000)}
ERROR = float(np.sqrt(table.measurement_covariance[0, 0, 0]))  # of a column in the picture
ONE_READOUT = float(np.hypot(NOISE, ERROR))  # the start of the change is known from the picture


def patch_of(act, table):
    return int(np.argmin(np.abs(table.centers - [act.number("x"), act.number("y")]).sum(axis=1)))


def before(act, table):
    # the column that the act sets, as the picture showed it at that place
    return float(table.frame[act.args["column"]].iloc[patch_of(act, table)])


def explanations(table):
    # what each says about the change of the OTHER column after an act
    def change(act):
        return act.number("to") - before(act, table)

    def says(cause):
        def expected(act, members):
            follows = act.args["column"] == cause
            return members["slope"] * change(act) if follows else 0.0 * members["slope"]

        return expected

    asked = Asked("which column sets the other", "change of the other column")
    return [
        hypothesis_from_draws(name, SLOPES, says(cause), noise_sd=ONE_READOUT, asked=asked)
        for name, cause in (
            ("driver sets response", "driver"),
            ("response sets driver", "response"),
            ("background only", None),
        )
    ]


# %% [markdown]
# **Before the first shot** we ask what the experiment would cost if each of them were true in turn, and how often it would end with the right answer. That is an *operating table*: the experiment, simulated from beginning to end. The last row is a truth that is not in the list at all. The counts are small here, to keep the lesson short; look at the intervals.

# %%
GUARD = SeverityOptions()  # what a claim must have evidence against; see part 3
operating = operating_table(
    explanations(table), acts, envelope, budget=100.0, n_runs=2 if FAST else 8, rng=2,
    options=OperatingOptions(severity=GUARD, planner=PlannerOptions(n_members=100 if FAST else 300), pairs=False),
)  # fmt: skip
shown = ["truth", "claim_rate", "claim_low", "claim_high", "wrong_rate", "none_rate"]
print(operating[[*shown, "abstain_rate", "shots", "dose"]].round(2).to_string(index=False))


# %% [markdown]
# For the last row the right end of the experiment is not a claim, and `claim_rate` counts the verdict "none of these". Where a row abstains, its dose ran out before the evidence sufficed: that the dose is tight for this question is known now, and not after the sample is spent. If a row said "never told apart" here, the experiment would not be worth its dose: better to know that now.
#
# ## 3. Ask, do, tell
#
# The planner asks for the act that is expected to tell most, and says why. A person or a machine does it and tells what came of it (`planner.tell`). Here the twin does.


# %%
def new_planner(table, severity):
    return Planner(
        explanations(table), possible_acts(table), envelope, budget=100.0, severity=severity,
        policy=Policy("information", per="act"), rng=3,
    )  # fmt: skip


(question,) = new_planner(table, GUARD).ask()
print(question.reason)
for one in question.expected:
    print(f"  {one.hypothesis:>22} expects {one.mean:+.2f} +- {one.sd:.2f}")

# %% [markdown]
# The reason is a sentence, and behind it stands what each explanation expects: where they lie far apart, measured by their spread, the act tells much. `run_campaign` now lets the planner ask and the twin answer until there is a verdict.

# %%
planner = new_planner(table, GUARD)


def show_the_first(step):
    if len(twin.actions) <= 4:  # the picture and three acts
        print(f"{step.reason}\n    seen: {step.outcome.readout:+.2f}")


campaign = run_campaign(planner, twin, progress=show_the_first)
print(f"...\n{campaign.sentence}")
assert planner.verdict().kind == "claim"
assert planner.verdict().hypothesis == "driver sets response"

_, axes = plt.subplots(2, 1, figsize=(9, 8), layout="constrained")
plot_campaign(campaign, ax=axes[0])
plot_campaign_evidence(campaign, needed=GUARD.evidence, ax=axes[1])
plt.show()

# %%
weights = [step.weights["driver sets response"] for step in campaign.steps]
sure = 1 + next(k for k, weight in enumerate(weights) if weight > GUARD.threshold)
print(f"belief above {GUARD.threshold:.0%} after {sure} act(s), claim after {len(weights)}")
print(f"dose: {twin.dose:.0f}, of which 5 for the picture; {ALLOWED_DOSE:.0f} e/A² allowed")
print("evidence at the end:", {k: f"{v:.3g}" for k, v in planner.verdict().e_values.items()})
print("not tested:", "; ".join(planner.verdict().untested))


# %% [markdown]
# Look at the two panels together. Belief is near 1 almost at once, and stays there; the *claim* comes much later. What happens in between? Belief only compares the explanations **in the list**. That one of them beats the other two is a weak statement: perhaps all three are wrong. So the planner goes on, now with acts that could *refute* the leader, until it has evidence against everything that was declared beforehand: smooth deviations of a stated size and local ones (`SeverityOptions`).
#
# And so the verdict reads "describes the actions of the region *to within* ...", and not "is true". Smaller deviations are not excluded, levels beyond $\pm 3$ were not tried, and the sentence ends with what was not tested at all.
#
# **How large is the effect now?** Each act gives a change set by hand and a change that followed. Their slope is the effect, with nothing hidden in between.


# %%
def by_hand(campaign, table):
    # change of the driver that was set, change of the response that followed, level set, patch
    rows = [
        (step.action.number("to") - before(step.action, table), step.outcome.readout,
         step.action.number("to"), patch_of(step.action, table))
        for step in campaign.steps if step.action.args["column"] == "driver"
    ]  # fmt: skip
    return np.array(rows, float).T


given, followed, _, _ = by_hand(campaign, table)
slope = given @ followed / (given @ given)
slope_sd = np.hypot(NOISE, slope * ERROR) / np.sqrt(given @ given)
low, high = slope - 1.645 * slope_sd, slope + 1.645 * slope_sd

truth = twin.reveal()  # ends the twin's life; now we may look
planted = truth["sample"].effect
print(f"from the picture alone: {seen_slope:.2f} (refused as an effect)")
print(f"from {len(given)} acts on the driver: {slope:.2f}, 90 % interval {low:.2f} to {high:.2f}")
print(f"planted: {planted}")
assert low < planted < high < seen_slope

_, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
ends = np.array([given.min(), given.max()])
ax.errorbar(given, followed, yerr=NOISE, fmt="o", color=BLUE, ms=4, lw=1, label="acts")
ax.plot(ends, planted * ends, color=GREEN, label=f"planted, {planted:.2f}")
ax.plot(ends, seen_slope * ends, "--", color=ORANGE, label=f"from the picture, {seen_slope:.2f}")
ax.set(xlabel="change of the driver, set by hand", ylabel="change of the response")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# And the question that was refused in part 1, "had this patch a driver of 1?", has an answer now, for every patch: its response moves by the slope times the change. (All these answers share the one slope, so they err together; in many campaigns nine of ten would hold.)

# %%
untouched = np.ones(table.n_patches, bool)
untouched[[patch_of(step.action, table) for step in campaign.steps]] = False
untouched &= np.abs(1.0 - driver) < 3  # changes of the size that was tried

step_up = 1.0 - driver[untouched]
predicted = slope * step_up
error = 1.645 * np.hypot(slope_sd * step_up, slope * ERROR)
true = planted * (1.0 - truth["columns"]["driver"].ravel()[untouched])
held = np.abs(predicted - true) < error
first = int(np.argmax(np.abs(step_up)))
print(f"one patch: predicted {predicted[first]:+.2f} +- {error[first]:.2f} (90 %), ", end="")
print(f"by the planted equations {true[first]:+.2f}")
print(f"{held.mean():.0%} of the intervals of {len(held)} untouched patches hold the true change")
assert held.mean() > 0.7

# %% [markdown]
# ## 4. None of these
#
# Now the same experiment on another sample. Its driver does set the response, but not along a line: below a threshold nothing, above it everything. *Nobody listed that.* The planner has the same three explanations as before. First without the guard (`severity=None`: the explanation with enough weight wins), then with it.

# %%
ended = {}
for name, severity in (("without the guard", None), ("with the guard", GUARD)):
    other_twin, other_table = new_twin(family="threshold", effect=1.2)
    other_planner = new_planner(other_table, severity)
    ended[name] = run_campaign(other_planner, other_twin)
    verdict = other_planner.verdict()
    print(f"{name}: {verdict.kind.upper()} after {verdict.n_shots} shots")
    print(f"    {verdict.sentence}")
assert ended["without the guard"].verdict == "claim"
assert ended["with the guard"].verdict == "none"

# %%
untouched_truth = new_twin(family="threshold", effect=1.2)[0].reveal()
step_height = 2 * untouched_truth["sample"].effect  # the law: 0 below 0, this above
true_driver = untouched_truth["columns"]["driver"].ravel()

_, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained", sharey=True)
for ax, (name, one) in zip(axes, ended.items()):
    given, followed, to, patch = by_hand(one, other_table)
    law = step_height * ((to > 0) * 1.0 - (true_driver[patch.astype(int)] > 0))
    ax.plot(to, law, "s", ms=10, mfc="none", color=GREEN, label="planted law, there")
    ax.errorbar(to, followed, yerr=NOISE, fmt="o", color=BLUE, ms=5, label="acts on the driver")
    best = given @ followed / (given @ given)
    ends = np.array([-3.0, 3.0])
    ax.plot(ends, best * ends, color=ORANGE, label=f"best line, {best:.2f}")
    said = one.hypothesis or "none of these"
    ax.set(title=f"{name}: {said}", xlabel="driver set to")
axes[0].set_ylabel("change of the response")
axes[1].legend(frameon=False)
plt.show()

# %% [markdown]
# Without the guard the planner is sure at once, and wrong: a line of some slope passes through any first point. (Its sentence admits that nobody tested "whether any of them describes the readouts". Who reads that far?) With the guard it goes on, and the same act in another patch gives another answer, depending on the side of the threshold where that patch was; no line does that. It says **none of these**. That is not a failure of the experiment. It is its most interesting result.
#
# Which threshold? What now? Those are questions for a person: a new explanation goes into the list, and the campaign begins again, on fresh patches.
#
# ## 5. The plan as data
#
# What is to be done at an instrument should be readable before it is done, by a person and by a machine. `planner.plan()` gives the next steps as an `ExperimentPlan`.

# %%
fresh_twin, fresh_table = new_twin()
plan = new_planner(fresh_table, GUARD).plan(n_steps=3)
for step in plan.steps:
    print(f"{step.action.verb} {step.action.args['label']}, dose {step.action.dose:.1f}")
text = plan.to_json()
print(f"\n{len(text)} characters of JSON, checksum {plan.checksum[:12]}...")
print("problems:", plan.problems())
assert ExperimentPlan.from_json(text) == plan  # nothing is lost on the way

# %% [markdown]
# Somebody edits the file: "a little more dose will not hurt". And somebody else makes a plan of their own, with thirty times the dose in its first step.

# %%
content = json.loads(text)
content["steps"][0]["action"]["dose"] *= 10
try:
    ExperimentPlan.from_json(json.dumps(content))
except InputError as refused:
    print("the edited file:", refused)

first = plan.steps[0].action
more = Action(first.verb, first.args, 30 * first.dose, 5.0, 1.0, irreversible=True)
try:
    fresh_twin.run(ExperimentPlan((PlanStep(more, human_gate=True),), (), envelope, 9.0))
except InputError as refused:
    print("a plan of one's own:", refused)

answers = iter(["yes", "yes", "no"])  # of a person, who has seen enough after two


def person(step):
    answer = next(answers)
    print(f"{step.action.verb} {step.action.args['label']}? {answer}")
    return answer == "yes"


done = fresh_twin.run(plan, approve=person)
print(f"the plan as it was: {len(done.steps)} of {len(plan.steps)} steps done; ended: {done.ended}")

# %% [markdown]
# `approve` is the person at the gate: it is asked before every step that cannot be undone. The same plan runs on bluesky's RunEngine, its queue server, or any instrument that Python can drive; [plans on real instruments](../../docs/instruments.md) shows each. All of them refuse what was refused here.
#
# **For the class.**
# (a) Set `arrow="none"` in `new_twin`: the background alone. Which verdict do you expect, after how many shots? And with `arrow="response to driver"`?
# (b) Let the members of the two explanations have slopes from -1.5 to 1.5, zero included (`SLOPES`). What becomes of the first verdict in (a), and why is it the honest one?
# (c) `per="dose"` in the policy instead of `per="act"`. What does it save, and what does it cost?
# (d) Ask for more: `SeverityOptions(smooth_deviation=0.5, local_deviation=2.0)`. How many shots does a claim take? Does the dose suffice? What does an abstention say?
# (e) `family="saturating", effect=1.6`: nearly a line up to 1. Try `rng` 5 to 10. When is it claimed, and is the claim wrong? Read it to its end before you answer.
# (f) Add the explanation that was missing in part 4, "a step of unknown height at 0". Is it claimed now?
#
# <details><summary>Hints</summary>
#
# (a) The table of part 2 told you. (b) A slope of 0.01 *is* no effect, to within what can be seen. (c) Look at which levels are asked. (d) Smaller deviations hide in more noise: halving them takes about four times the shots. (e) "To within" is a part of the claim. (f) Its expected change is the height times (level above 0, less driver above 0).
#
# </details>
#
# **Sources.** J. Pearl, *Causality* (Cambridge 2009), section 3.2: an act drops the mechanism of what it sets. D. G. Mayo, *Statistical Inference as Severe Testing* (Cambridge 2018), doi:10.1017/9781107286184. A. Ramdas, P. Grünwald, V. Vovk, G. Shafer, *Statistical Science* 38, 576 (2023), doi:10.1214/23-STS894: evidence that may be looked at whenever one likes.
