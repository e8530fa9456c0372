"""The tournament agrees with a plain minimum, whatever happens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.balancing.ranking import ABSENT, Ranking

CHANGES = st.tuples(
    st.integers(0, 20), st.sampled_from([ABSENT, 0.0, 1.0, 2.0, float("-inf")]), st.booleans()
)


@given(st.integers(1, 21), st.lists(CHANGES, max_size=60))
def test_best_is_the_lowest_and_longest_not_chosen(
    seats: int, changes: list[tuple[int, float, bool]]
) -> None:
    ranking = Ranking(seats)
    scores, chosen_at = [ABSENT] * seats, [0] * seats
    assert ranking.best == -1
    for clock, (number, score, is_choice) in enumerate(changes, 1):
        seat = number % seats
        scores[seat] = score
        if is_choice:
            chosen_at[seat] = clock
            ranking.choose(seat, score)
        else:
            ranking.set(seat, score)
        present = [seat for seat in range(seats) if scores[seat] != ABSENT]
        best = min(present, key=lambda seat: (scores[seat], chosen_at[seat]), default=-1)
        found = ranking.best
        assert (found == -1) == (best == -1)
        if best >= 0:
            assert (scores[best], chosen_at[best]) == (scores[found], chosen_at[found])
            other = ranking.best_of(present)
            assert (scores[best], chosen_at[best]) == (scores[other], chosen_at[other])


def test_no_seats() -> None:
    assert Ranking(0).best == -1
    assert Ranking(0).best_of([]) == -1
