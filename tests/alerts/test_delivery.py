from rl_assets.alerts import delivery
from rl_assets.alerts.alert import Alert
from rl_assets.alerts.delivery import Delivery, Subscription, deliver
from rl_assets.config.alerts import KINDS
from rl_assets.errors import AlertNotDelivered, InvalidConfig
from tests.alerts.conftest import alert


class Inbox:
    """Keeps ids of alerts; refuses from the given id on."""

    def __init__(self, *, refuses_from: int | None = None) -> None:
        self.got: list[int] = []
        self.refuses_from = refuses_from

    def send(self, alert: Alert) -> None:
        if self.refuses_from is not None and alert.event_id >= self.refuses_from:
            raise AlertNotDelivered("down")
        self.got.append(alert.event_id)


def tell(inbox: Inbox, position: int, *ids: int, newest: int = 9) -> Delivery:
    alerts = [alert(number) for number in ids]
    subscriptions = {"a": Subscription(notifier=inbox, kinds=KINDS)}
    return deliver(alerts, subscriptions, {"a": position}, newest=newest)["a"]


def test_a_receiver_gets_what_it_did_not_get_yet_in_order():
    inbox = Inbox()
    assert tell(inbox, 3, 2, 3, 5, 7) == Delivery(position=9, num_sent=2, failure=None)
    assert inbox.got == [5, 7]


def test_what_a_receiver_did_not_take_comes_again_and_nothing_twice():
    inbox = Inbox(refuses_from=6)
    down = tell(inbox, 0, 2, 5, 6, 7)
    assert down == Delivery(position=5, num_sent=2, failure="down")
    inbox.refuses_from = None
    assert tell(inbox, down.position, 2, 5, 6, 7).position == 9
    assert inbox.got == [2, 5, 6, 7]


def test_one_that_is_down_keeps_nobody_else_waiting():
    up, down = Inbox(), Inbox(refuses_from=0)
    subscriptions = {
        "down": Subscription(notifier=down, kinds=KINDS),
        "up": Subscription(notifier=up, kinds=KINDS),
        "unset": Subscription(notifier=InvalidConfig("HOOK is not set"), kinds=KINDS),
    }
    done = deliver([alert(4)], subscriptions, dict.fromkeys(subscriptions, 0), newest=4)
    assert up.got == [4]
    assert {name: item.position for name, item in done.items()} == {"down": 0, "up": 4, "unset": 0}
    assert done["unset"].failure == "HOOK is not set"


def test_a_receiver_is_told_of_its_kinds_alone():
    inbox = Inbox()
    alerts = [alert(1, kind="held"), alert(2, kind="promoted"), alert(3, kind="failed")]
    done = deliver(alerts, {"a": Subscription(notifier=inbox, kinds=["promoted"])}, {"a": 0}, newest=3)
    assert (inbox.got, done["a"].position) == ([2], 3)


def test_a_long_queue_is_sent_in_parts(monkeypatch):
    monkeypatch.setattr(delivery, "MAX_AT_ONCE", 2)
    inbox = Inbox()
    first = tell(inbox, 0, 1, 2, 3)
    assert (first.position, first.num_sent) == (2, 2)
    assert tell(inbox, first.position, 1, 2, 3).position == 9
    assert inbox.got == [1, 2, 3]


def test_nobody_to_tell_is_fine():
    assert deliver([alert()], {}, {}, newest=7) == {}
