"""Lists every Web API method that the local workspace answers, one module per family.

It does not know HTTP.
"""

from thumbtune.demo.slack.api import apps, chat, conversations, reactions, usergroups, users
from thumbtune.demo.slack.calls import Method

METHODS: dict[str, Method] = {
    **apps.METHODS,
    **chat.METHODS,
    **conversations.METHODS,
    **reactions.METHODS,
    **usergroups.METHODS,
    **users.METHODS,
}
