"""The table of everything the bot listens to; the app's manifest asks for exactly this.

It does not know what the handlers do.
"""

from collections.abc import Mapping

from thumbtune.bot.blocks import (
    draft_card,
    edit_modal,
    forgetting,
    golden_list,
    golden_modal,
    home,
    override,
    pair_modal,
    retraining,
    run_progress,
    triage_modal,
)
from thumbtune.bot.bot import Handler
from thumbtune.bot.listeners.actions import (
    draft_dismiss,
    draft_edit,
    draft_post,
    draft_retry,
    forget_confirm,
    home_golden,
    home_pair,
    home_retrain,
    pair_edit,
    retrain_start,
    run_cancel,
    run_put_live,
    triage_correct,
)
from thumbtune.bot.listeners.commands import draft, forget, retrain
from thumbtune.bot.listeners.events import (
    app_home_opened,
    app_mention,
    member_joined_channel,
    message,
    reaction_added,
    reaction_removed,
)
from thumbtune.bot.listeners.shortcuts import draft_reply
from thumbtune.bot.listeners.views import draft_edit as draft_edit_submitted
from thumbtune.bot.listeners.views import golden_case, triage
from thumbtune.bot.listeners.views import pair_edit as pair_edit_submitted
from thumbtune.core.records import EventKind

LISTENERS: Mapping[tuple[EventKind, str], Handler] = {
    ("event", "message"): message.handle_message,
    ("event", "reaction_added"): reaction_added.handle_reaction_added,
    ("event", "reaction_removed"): reaction_removed.handle_reaction_removed,
    ("event", "app_mention"): app_mention.handle_app_mention,
    ("event", "app_home_opened"): app_home_opened.handle_app_home_opened,
    ("event", "member_joined_channel"): member_joined_channel.handle_member_joined_channel,
    ("shortcut", "draft_reply"): draft_reply.handle_draft_reply,
    ("command", "/draft"): draft.handle_draft,
    ("command", "/retrain"): retrain.handle_retrain,
    ("command", "/forget"): forget.handle_forget,
    ("action", draft_card.POST): draft_post.handle_draft_post,
    ("action", draft_card.POST_ANYWAY): draft_post.handle_draft_post_anyway,
    ("action", draft_card.EDIT): draft_edit.handle_draft_edit,
    ("action", draft_card.RETRY): draft_retry.handle_draft_retry,
    ("action", draft_card.DISMISS): draft_dismiss.handle_draft_dismiss,
    ("action", draft_card.TRIAGE): triage_correct.handle_triage_correct,
    ("action", forgetting.CONFIRM): forget_confirm.handle_forget_confirm,
    ("action", home.RETRAIN): home_retrain.handle_home_retrain,
    ("action", retraining.START): retrain_start.handle_retrain_start,
    ("action", retraining.LEAVE): retrain_start.handle_retrain_leave,
    ("action", run_progress.CANCEL): run_cancel.handle_run_cancel,
    **{("action", name): home_pair.handle_home_pair for name in home_pair.DECISIONS},
    ("action", home.EDIT): pair_edit.handle_pair_edit,
    **{
        ("action", name): home_golden.handle_golden_open
        for name in (golden_list.ADD, golden_list.MAKE, golden_list.EDIT)
    },
    ("action", golden_list.REMOVE): home_golden.handle_golden_remove,
    ("action", override.PUT_LIVE): run_put_live.handle_run_put_live,
    ("view", edit_modal.CALLBACK_ID): draft_edit_submitted.handle_draft_edit_submitted,
    ("view", pair_modal.CALLBACK_ID): pair_edit_submitted.handle_pair_edit_submitted,
    ("view", triage_modal.CALLBACK_ID): triage.handle_triage_submitted,
    ("view", golden_modal.CALLBACK_ID): golden_case.handle_golden_case_submitted,
}
