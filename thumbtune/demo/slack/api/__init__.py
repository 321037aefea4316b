"""Lists every Web API method that the local workspace answers, one module per family.

It does not know HTTP.
"""

from thumbtune.demo.slack.api import apps, chat, conversations, files, reactions, streams, usergroups, users, views
from thumbtune.demo.slack.calls import Method

METHODS: dict[str, Method] = {
    **apps.METHODS,
    **chat.METHODS,
    **conversations.METHODS,
    **files.METHODS,
    **reactions.METHODS,
    **streams.METHODS,
    **usergroups.METHODS,
    **users.METHODS,
    **views.METHODS,
}
