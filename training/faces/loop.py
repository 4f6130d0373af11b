"""The training loop of every stage: resumable, measured on held-out people, stopped politely."""

import csv
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from training.faces.batches import Batch, CropSpec, Photos, load_from, to_network
from training.faces.checkpoint import Average, Progress, load_checkpoint, save_checkpoint
from training.faces.config import RunConfig
from training.faces.measure import StudentMetrics, measure_student
from training.faces.objectives import Lesson, Objective
from training.faces.schedule import WarmupStableDecay
from training.networks.inception_resnet_v1 import InceptionResnetV1


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line of the run's CSV log; `teaching` is the share of loss terms above zero."""

    step: int
    seconds: float
    learning_rate: float
    loss: float
    teaching: float
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
        self._folder, self._config, self._spec = folder, config, spec
        self._objective, self._held_out = objective, held_out
        folder.mkdir(parents=True, exist_ok=True)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(config.seed)
        torch.set_num_threads(config.threads)
        net = config.network
        self._network = InceptionResnetV1(net.dimension, net.width, net.dropout)
        if start is not None:
            self._network.load_state_dict(start)
        self._network.to(self._device, memory_format=torch.channels_last)
        # The compiled forward shares the weights; about a fifth faster on two CPU cores.
        self._forward = torch.compile(self._network) if config.compile else self._network
        self._average = Average(self._network, config.ema_decay)
        self._optimizer = torch.optim.AdamW(
            self._network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self._progress = load_checkpoint(
            self.checkpoint, self._network, self._average, self._optimizer
        )
        self._stopped = False

    @property
    def checkpoint(self) -> Path:
        """Where the state is kept."""
        return self._folder / "checkpoint.pt"

    @property
    def log(self) -> Path:
        """One line an evaluation."""
        return self._folder / "log.csv"

    def run(self, cool_down_now: bool = False) -> Progress:
        """Train to the end of the schedule, or until SIGINT or SIGTERM; always saves."""
        config, progress = self._config, self._progress
        if progress.cooldown_from is None:
            progress.cooldown_from = progress.step if cool_down_now else config.steps
        last = progress.cooldown_from + config.cooldown_steps
        rate = WarmupStableDecay(
            config.learning_rate,
            config.warmup_steps,
            progress.cooldown_from,
            config.cooldown_steps,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        lessons: list[Lesson] = []
        began = time.monotonic()
        loader = load_from(self._objective.batches, progress.step, last, workers=1)
        name = self._objective.name
        with tqdm(total=last, initial=progress.step, desc=name, mininterval=5) as bar:
            for batch in loader:
                lessons.append(self._step(batch, rate(progress.step)))
                progress.step += 1
                bar.update()
                if progress.step % config.evaluate_every == 0 or progress.step == last:
                    self._log(rate(progress.step), lessons, time.monotonic() - began)
                    bar.set_postfix(loss=f"{np.mean([float(le.loss) for le in lessons]):.4f}")
                    lessons = []
                if progress.step % config.save_every == 0:
                    self._save()
                if self._stopped:
                    break
        self._save()
        return progress

    def _step(self, batch: Batch, rate: float) -> Lesson:
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._network.train()
        net = self._config.network
        crops = to_network(batch.pixels, net.mean, net.std, self._device)
        with torch.autocast(self._device.type, torch.bfloat16):
            embeddings = self._forward(crops)
        lesson = self._objective(embeddings.float(), batch)
        self._optimizer.zero_grad(set_to_none=True)
        lesson.loss.backward()
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 5.0)
        self._optimizer.step()
        self._average.update(self._network, self._progress.step)
        return Lesson(lesson.loss.detach(), lesson.teaching)

    def _log(self, rate: float, lessons: list[Lesson], seconds: float) -> None:
        metrics = self._measure()
        row = LogRow(
            step=self._progress.step,
            seconds=round(seconds, 1),
            learning_rate=rate,
            loss=round(float(np.mean([float(lesson.loss) for lesson in lessons])), 5),
            teaching=round(float(np.mean([lesson.teaching for lesson in lessons])), 4),
            teacher_cosine=round(metrics.teacher_cosine, 5),
            one_shot_rank1=round(metrics.one_shot.rank1, 5),
            fnir_at_fpir_1e2=round(metrics.open_set.fnir, 5),
        )
        path = self.log
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(asdict(row)))
            if new:
                writer.writeheader()
            writer.writerow(asdict(row))

    def _measure(self) -> StudentMetrics:
        net = self._config.network
        student = InceptionResnetV1(net.dimension, net.width)
        student.load_state_dict(self._average.state)
        student.to(self._device, memory_format=torch.channels_last)
        return measure_student(student.eval(), net, self._spec, self._device, self._held_out)

    def _save(self) -> None:
        kept = Progress(self._progress.step, self._progress.cooldown_from)
        if kept.cooldown_from is not None and kept.step < kept.cooldown_from:
            kept.cooldown_from = None  # the end is still open: a later run may move it
        save_checkpoint(self.checkpoint, kept, self._network, self._average, self._optimizer)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopped = True
