"""The training loop of every stage: resumable, measured on held-out people, stopped by signals."""

import csv
import signal
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from training.faces.augment import CropSpec
from training.faces.batches import Batch, Photos, load_from
from training.faces.checkpoint import Average, Progress, load_checkpoint, save_checkpoint
from training.faces.config import RunConfig
from training.faces.measure import StudentMetrics, measure_student
from training.faces.objectives import BatchLoss, Objective
from training.faces.optimizers import make_optimizer
from training.faces.parallel import Averaging, Order, averaging_with_helpers
from training.faces.pixels import to_network
from training.faces.schedule import ByTheClock, Moment, Schedule, WarmupStableDecay
from training.networks.growth import load_smaller
from training.networks.inception_resnet_v1 import InceptionResnetV1

_MAX_GRADIENT_NORM = 5.0


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line of `log.csv`, written at each evaluation.

    `seconds` is counted from the start of the process; `loss` and `active` (the share of loss
    terms above zero) are means over the steps since the line before.
    """

    step: int
    seconds: float
    learning_rate: float
    loss: float
    active: float
    teacher_cosine: float
    one_shot_rank1: float
    fnir_at_fpir_1e2: float


class TrainingRun:
    """One run of one stage; its folder holds `checkpoint.pt` and `log.csv`."""

    def __init__(
        self,
        folder: Path,
        config: RunConfig,
        spec: CropSpec,
        objective: Objective,
        held_out: Photos,
        start: dict[str, Tensor] | None = None,
    ) -> None:
        """Loads the checkpoint in `folder`; without one, `start` are the initial weights.

        Raises ValueError if the stem of random weights would be frozen.
        """
        self._folder, self._config, self._spec = folder, config, spec
        self._objective, self._held_out = objective, held_out
        folder.mkdir(parents=True, exist_ok=True)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(config.seed)
        torch.set_num_threads(config.threads)
        torch.set_flush_denormal(True)  # small gradients otherwise take longer to multiply
        self._network = _make_network(config, start, self.checkpoint.exists())
        self._network.to(self._device, memory_format=torch.channels_last)
        # The compiled module shares the weights; it is about 20 % faster on two CPU cores.
        self._forward = torch.compile(self._network) if config.compile else self._network
        self._average = Average(self._network, config.ema_decay)
        self._weights = [weight for weight in self._network.parameters() if weight.requires_grad]
        self._optimizer = make_optimizer(self._weights, config)
        self._progress = load_checkpoint(
            self.checkpoint, self._network, self._average, self._optimizer
        )
        self._stopped = False

    @property
    def checkpoint(self) -> Path:
        """The file with the training state."""
        return self._folder / "checkpoint.pt"

    @property
    def log(self) -> Path:
        """The CSV file with one LogRow for each evaluation."""
        return self._folder / "log.csv"

    def run(self, cool_down_now: bool = False) -> Progress:
        """Train to the end of the schedule or until SIGINT or SIGTERM, then save.

        `cool_down_now` starts the cool-down at the current step instead of after `steps`; it has no
        effect if the configuration sets `minutes`.
        """
        progress = self._progress
        schedule = self._schedule(cool_down_now)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        size = sum(weight.numel() for weight in self._weights)
        help_from = partial(self._help, progress.step, schedule.last_step)
        with averaging_with_helpers(self._config.processes, size, help_from) as averaging:
            self._lead(averaging, schedule)
        self._save()
        return progress

    def _lead(self, averaging: Averaging, schedule: Schedule) -> None:
        progress = self._progress
        losses: list[BatchLoss] = []
        total = schedule.last_step if self._config.minutes is None else None
        began = time.monotonic()
        name = self._objective.name
        with tqdm(total=total, initial=progress.step, desc=name, mininterval=5) as bar:
            for batch in self._batches(averaging, progress.step, schedule.last_step):
                now = Moment(progress.step, time.monotonic() - began)
                rate = schedule.rate(now)
                finished = schedule.finished(now._replace(step=progress.step + 1))
                losses.append(self._compute_gradients(batch))
                order = Order(rate, last=finished or self._stopped)
                averaging.average(self._weights, order)
                self._update(rate)
                self._average.update(self._network, progress.step)
                progress.step += 1
                bar.update()
                if finished or progress.step % self._config.evaluate_every == 0:
                    row = self._evaluate(rate, losses, time.monotonic() - began)
                    bar.set_postfix(loss=f"{row.loss:.4f}", fnir=f"{row.fnir_at_fpir_1e2:.4f}")
                    losses = []
                if progress.step % self._config.save_every == 0:
                    self._save()
                if order.last:
                    break

    def _help(self, first: int, last: int, averaging: Averaging) -> None:
        """The same steps in a further process, on its own batches."""
        torch.set_num_threads(1)  # a forked process has none of the threads of its parent
        for batch in self._batches(averaging, first, last):
            self._compute_gradients(batch)
            order = averaging.average(self._weights, Order(0.0, last=False))
            self._update(order.rate)
            if order.last:
                break

    def _batches(self, averaging: Averaging, first: int, last: int) -> DataLoader[Batch]:
        """Of each step's batches, one for each process, those of the process of `averaging`."""
        steps = range(first * averaging.processes, last * averaging.processes)
        return load_from(self._objective.batches, steps[averaging.number :: averaging.processes])

    def _schedule(self, cool_down_now: bool) -> Schedule:
        config, progress = self._config, self._progress
        if config.minutes is not None:
            return ByTheClock(
                config.learning_rate,
                progress.step,
                config.warmup_steps,
                60 * config.minutes,
                config.cooldown_share,
            )
        if progress.cooldown_from is None:
            progress.cooldown_from = progress.step if cool_down_now else config.steps
        return WarmupStableDecay(
            config.learning_rate,
            config.warmup_steps,
            progress.cooldown_from,
            config.cooldown_steps,
        )

    def _compute_gradients(self, batch: Batch) -> BatchLoss:
        self._network.train()
        crops = to_network(batch.pixels, self._config.network, self._device)
        with torch.autocast(self._device.type, torch.bfloat16):
            embeddings = self._forward(crops)
        result = self._objective(embeddings.float(), batch)
        self._optimizer.zero_grad(set_to_none=True)
        result.loss.backward()
        return BatchLoss(result.loss.detach(), result.active)

    def _update(self, rate: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        torch.nn.utils.clip_grad_norm_(self._weights, _MAX_GRADIENT_NORM)
        self._optimizer.step()

    def _evaluate(self, rate: float, losses: list[BatchLoss], seconds: float) -> LogRow:
        """Measure the averaged weights and append a line to the log."""
        metrics = self._measure()
        row = LogRow(
            step=self._progress.step,
            seconds=round(seconds, 1),
            learning_rate=rate,
            loss=round(float(np.mean([float(one.loss) for one in losses])), 5),
            active=round(float(np.mean([one.active for one in losses])), 4),
            teacher_cosine=round(metrics.teacher_cosine, 5),
            one_shot_rank1=round(metrics.one_shot.rank1, 5),
            fnir_at_fpir_1e2=round(metrics.open_set.fnir, 5),
        )
        new = not self.log.exists()
        with self.log.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(asdict(row)))
            if new:
                writer.writeheader()
            writer.writerow(asdict(row))
        return row

    def _measure(self) -> StudentMetrics:
        net = self._config.network
        student = net.build()
        student.load_state_dict(self._average.state)
        student.to(self._device, memory_format=torch.channels_last)
        return measure_student(student.eval(), net, self._spec, self._device, self._held_out)

    def _save(self) -> None:
        saved = Progress(self._progress.step, self._progress.cooldown_from)
        if saved.cooldown_from is not None and saved.step < saved.cooldown_from:
            saved.cooldown_from = None  # the cool-down has not begun: a later run may move it
        save_checkpoint(self.checkpoint, saved, self._network, self._average, self._optimizer)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopped = True


def _make_network(
    config: RunConfig, start: dict[str, Tensor] | None, resumes: bool
) -> InceptionResnetV1:
    network = config.network.build()
    if start is not None:
        load_smaller(network, start)
    if config.freeze_stem:
        if start is None and not resumes:
            raise ValueError("freeze_stem keeps random weights; pass --start CHECKPOINT")
        network.freeze_stem()
    return network
