"""From changed ground to a proposal, and what becomes of it."""

from __future__ import annotations

from cimgen_qt.core.jobs import Progress
from cimgen_qt.core.render import Patch, Rendered
from cimgen_qt.ui.desk import Desk
from cimgen_qt.ui.proposal import Proposal


class Generation:
    """A part of the workbench, which announces what it does. A proposal is no change until it is accepted."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.proposal: Proposal | None = None

    def generate(self) -> None:
        """Make a proposal for every area in the worker."""
        desk = self._desk
        if desk.scene is None or desk.path is None or not desk.areas or desk.job:
            return
        self.discard()
        self.proposal = Proposal()
        recipe = desk.choices.recipe
        request = {
            "project": str(desk.path),
            "model": recipe.model,
            "seed": recipe.seed,
            "blend": recipe.blend.to_json(),
            "revision": desk.scene.project.head,
        }
        desk.generation_began.emit()
        desk.start("render", request, self._on_rendered, moved=self._on_moved, dropped=self.forget)

    def try_again(self) -> None:
        """Another proposal with the next seed."""
        choices = self._desk.choices
        choices.set_recipe(seed=choices.recipe.seed + 1)
        self.generate()

    def accept(self) -> None:
        """The proposal becomes one act."""
        scene, proposal = self._desk.scene, self.proposal
        if scene is None or proposal is None or proposal.rendered is None or not self._desk.can_act:
            return
        rendered = proposal.rendered
        self._desk.act(lambda: scene.lay(rendered), self.forget)

    def discard(self) -> None:
        """Drop the proposal, unless it is still being made; nothing of it remains."""
        if self._desk.job != "render":
            self.forget()

    def forget(self) -> None:
        """Drop it in any case."""
        proposal, self.proposal = self.proposal, None
        if proposal is not None:
            self._desk.proposal_changed.emit(proposal.window)

    def _on_moved(self, progress: Progress) -> None:
        if isinstance(progress.payload, Patch) and self.proposal is not None:
            self.proposal = Proposal((*self.proposal.patches, progress.payload))
            self._desk.proposal_changed.emit(progress.payload.window)

    def _on_rendered(self, rendered: Rendered) -> None:
        self.proposal = Proposal(rendered.patches, rendered)
        self._desk.proposal_changed.emit(self.proposal.window)
        if rendered.warnings:
            self._desk.told.emit("\n".join(rendered.warnings), "", False)
