// What was stored of a show when memory was loaded. By it an edge knows a token whose place the store had
// lost by then, though the place may be another's by now. And what becomes of a show that the store has lost
// altogether, or whose draw it has lost. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "base/clock.h"
#include "services/queue/session.h"

namespace boxoffice::queue {

// Whoever joined before `at` and has a sequence after `last_sequence` was not stored any more.
struct Loading {
  uint64_t last_sequence = 0;
  Timestamp at;
  bool operator==(const Loading&) const = default;
};

// A loading is told of for so long, and the latest until there is another: by then whoever lost a place has
// asked, and knows.
inline constexpr milliseconds kLoadingsCount{60'000};
inline constexpr size_t kMaxLoadings = 4;

// The loadings of a show that are to be told of after another one; the oldest first, at most kMaxLoadings.
// Where there would be more, the first two become one: whoever joined between them counts as not stored, and
// is answered by the queue service itself, until that one is old. The latest stays as it is: by it edges
// judge whether places were lost.
[[nodiscard]] std::vector<Loading> LoadingsAfter(std::vector<Loading> before, const Loading& latest);
// Those of them that are still to be told of.
[[nodiscard]] std::vector<Loading> LoadingsAt(std::vector<Loading> loadings, Timestamp now);

// A show of which nothing is stored is OPEN, so one that a store has lost would let everybody in. As it is to
// be stored anew: with its settings and the commitment of a draw that is to come, and without places, counts,
// and a draw that was made, which go with those who had them. One that would have opened by `now` is open,
// and has no draw: that would be of nobody, and a show has only one.
[[nodiscard]] Show PutBack(const Show& lost, Timestamp now);

// Whether a draw that was known to be made is stored as yet to come, so that it has to be made again at once:
// its seed is published, and whoever has it and could join before that would choose the place.
[[nodiscard]] bool IsDrawLost(const Show& known, const Show& stored);
// A show whose draw is lost, as it is to be stored: set as it was known to be, and everybody drawn who has
// joined by what is stored.
[[nodiscard]] Show DrawnAgain(const Show& known, Show stored, Timestamp now);

// Takes over into `known` what is stored of shows by now; but for one whose draw is lost (IsDrawLost), which
// has to be made again.
void Learn(std::map<int64_t, Show>& known, const std::vector<Show>& stored);

}  // namespace boxoffice::queue
