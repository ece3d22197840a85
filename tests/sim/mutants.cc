#include "sim/mutants.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mutant.h"
#include "sim/crash_points.h"
#include "sim/run.h"

namespace boxoffice {
namespace {
std::string& Chosen() {
  static std::string chosen = [] {
    const char* const name = std::getenv("BOXOFFICE_MUTANT");
    return std::string(name == nullptr ? "" : name);
  }();
  return chosen;
}
}  // namespace

bool IsMutant(std::string_view name) {
  const std::string& chosen = Chosen();
  return !chosen.empty() && chosen == name;
}

namespace sim {
namespace {

constexpr Mutant kMutants[] = {
    {"seat_no_tombstone", "a release leaves no tombstone: a late hold succeeds"},
    {"seat_ignore_tombstone_hold", "a hold does not look for its saga's tombstone"},
    {"seat_ignore_tombstone_confirm", "a confirmation does not look for it"},
    {"seat_release_without_owner", "a release frees the seat of whoever has it"},
    {"seat_hold_taken", "a hold takes seats that others hold"},
    {"seat_confirm_without_owner", "a confirmation sells seats that another has by now"},
    {"seat_confirm_lapsed_refused", "a hold past its deadline is lost though nobody has taken it"},
    {"seat_retake_recorded", "a late duplicate of a hold takes its seats again"},
    {"seat_no_limit", "a buyer may have any number of seats"},
    {"seat_release_part", "a release forgets one of its seats"},
    {"seat_wrong_user_on_move", "seats to which a buyer is moved are noted as another's"},
    {"seat_keep_no_shorten", "a confirmation that is refused keeps the time that it had for itself"},
    {"seat_ignore_version", "a row of the seats' that has moved since it was loaded is overwritten"},
    {"seat_sold_out_uncounted", "a sell-out is told by what a replica knows that has not heard of a release"},
    {"seat_map_ignores_news", "a map does not learn what other replicas have saved"},
    {"seat_hold_blocked", "a hold takes seats that an operator has blocked"},
    {"seat_block_over_buyer", "a block takes a buyer's seat away"},
    {"seat_ignores_channel", "a hold takes seats that are kept for a channel of others"},
    {"seat_channel_ends_with_owner", "a seat that comes free again is kept for its channel no more"},
    {"seat_map_shows_kept", "a map shows what is kept for a channel as free"},
    {"seat_confirm_at_new_price", "a seat is sold at the price of now, not at that of its hold"},
    {"seat_ignores_new_prices", "a replica does not learn of prices that another has changed"},
    {"seat_hold_after_sale", "a hold takes free seats once the sale has ended"},
    {"seat_ignore_prices_moved", "a show's prices that have moved since they were read are overwritten"},
    {"seat_ignore_terms_moved", "a show's terms that have moved since they were read are overwritten"},
    // Ended by a CHECK of the service, which knows that some command has changed the row: no judge sees it.
    {"seat_moved_names_nobody", "no command is decided again because a row that it changed has moved"},
    {"wallet_debit_twice", "a debit that comes again is taken again"},
    {"wallet_refund_twice", "a refund that comes again is given again"},
    {"wallet_no_tombstone", "a refund of a debit that never came leaves no tombstone"},
    {"wallet_negative", "a debit takes more than there is"},
    {"wallet_part_twice", "a refund in part that comes again is given again"},
    {"wallet_refund_all_after_part", "a refund after one in part gives back all"},
    {"wallet_ignore_version", "a wallet that has moved since it was loaded is overwritten"},
    {"payment_no_tombstone", "a cancellation of what never came leaves no tombstone"},
    {"payment_second_approval", "a second attempt is approved beside the first"},
    {"payment_cancel_settles", "a cancellation is done before the acquirer has said so"},
    {"payment_decline_on_silence", "a payment of which nothing is known is declined"},
    {"payment_ignore_late_capture", "money that was taken late is kept"},
    {"payment_ignore_version", "a payment that has moved since it was loaded is overwritten"},
    {"payment_settle_keeps_asking", "what an operator has settled outside is asked for still"},
    {"payment_rest_by_cancel", "the rest of what was settled in part is asked for with that part"},
    {"payment_believes_old_void", "it is void, the acquirer said before the money was taken: that counts"},
    {"saga_skip_epoch", "a claim does not take the saga from its owner: the epoch stays"},
    {"saga_stale_owner_writes", "a stale owner's write counts as written"},
    {"saga_unknown_is_done", "a step whose outcome is unknown counts as done"},
    {"saga_unknown_is_refused", "a step whose outcome is unknown counts as refused, and is undone at once"},
    {"saga_keeps_deadline", "a saga is never too late: what gives no answer is asked for ever"},
    {"saga_undo_forgets_failed", "the step that failed is not undone: no tombstone for its late duplicate"},
    {"saga_undo_from_failed", "a later run undoes only up to the step that it failed at"},
    {"saga_undo_forward", "seats are released before the money is back, and an undo that fails is skipped"},
    {"saga_undo_not_written", "undoing begins before its decision is written"},
    {"saga_no_refund", "the debit has no undo"},
    {"saga_no_payment_cancel", "a declined or unknown payment is not cancelled"},
    {"saga_skip_confirm_seats", "seats are not confirmed"},
    {"saga_never_claims", "nobody takes over a dead owner's saga"},
    {"saga_parked_is_done", "a saga that was tried too often counts as done"},
    {"saga_no_event", "a confirmation writes no event"},
    {"reservation_no_idempotency", "a request that comes again begins anew"},
    {"reservation_conflicts_forever", "whoever asks for seats that were sold once is told so for ever"},
    {"reservation_forgets_answer", "what a request was answered is lost once another saga begins"},
    {"reservation_ignores_hash", "another request by the same key is answered as the first"},
    {"reservation_fee_twice", "a cancellation keeps twice the fee"},
    {"reservation_forgets_fees", "a cancelled show gives the fees of before back, too"},
    {"reservation_fee_of_cancelled_show", "who cancels once the show is cancelled pays the fee still"},
    {"seat_ignores_waitlist_first", "whoever is not on the waitlist takes what is kept for it"},
    {"waitlist_second_place", "who joins again gets a second place"},
    {"waitlist_leave_offered", "who leaves while seats are sought for her is out, and the offer goes on"},
    {"waitlist_keep_moved", "a look overwrites what has become of a place since it was read"},
    {"waitlist_ignore_epoch", "a look goes on writing after another replica has taken the waitlist over"},
    {"waitlist_ignore_version", "a place or a show's row that has moved since it was loaded is overwritten"},
    {"waitlist_last_first", "of a page of those who can be served the last is served first"},
    {"waitlist_overtakes_pending",
     "who joined later is served while an earlier offer's outcome is not known"},
    {"waitlist_offer_not_written", "an offer is begun before its place says so"},
    {"waitlist_kept_for_nobody", "seats stay kept for a waitlist that nobody is on any more"},
    {"waitlist_outlives_show", "a show's end does not end its waitlist"},
    {"waitlist_forgets_lapsed", "an offer that lapsed stays its place's"},
    {"waitlist_refused_is_out", "who got no seats from an offer loses her place"},
    {"waitlist_keeps_nothing", "free seats are not kept for who waits"},
    {"waitlist_passes_over_at_once", "who was refused by a replica that had not heard yet is passed over"},
    {"outbox_erase_first", "an event is marked as published before it is"},
    {"outbox_erase_unread", "a failed publication is marked as done"},
    {"outbox_after_last", "the outbox is read after the last number: what committed late stays in it"},
    {"consumer_marks_first", "an event is marked as seen before its effect is committed"},
};

// The tests of the cores' rules, built with the planted faults; beside this program.
bool FailsRules(const Mutant& mutant) {
  const std::string tests = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "sim_rules_test";
  CHECK(std::filesystem::exists(tests), "{} is not built", tests);
  const pid_t child = ::fork();
  CHECK(child >= 0);
  if (child == 0) {
    (void)::setenv("BOXOFFICE_MUTANT", std::string(mutant.name).c_str(), 1);
    (void)!std::freopen("/dev/null", "w", stdout);
    ::execl(tests.c_str(), tests.c_str(), "--gtest_brief=1", nullptr);
    std::_Exit(0);
  }
  int status = 0;
  CHECK(::waitpid(child, &status, 0) == child);
  return EndedItself(status) || (WIFEXITED(status) && WEXITSTATUS(status) != 0);
}

// 0: found.
int Hunt(const Mutant& mutant, uint64_t seeds) {
  ChooseMutant(mutant.name);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    std::fflush(stdout);
    const Ran ran = RunSeed({.seed = seed});
    if (ran.wrong.empty()) continue;
    fmt::print("caught {:<32} by seed {}: {}\n", mutant.name, seed, ran.wrong.front());
    return 0;
  }
  if (FailsRules(mutant)) {
    fmt::print("caught {:<32} by the tests of the rules\n", mutant.name);
    return 0;
  }
  const Enumeration found = RunCrashPoints(/*pairs=*/false, [] { return true; });
  if (found.failures > 0) {
    fmt::print("caught {:<32} by crash point {}: {}\n", mutant.name, found.failed.front().first.Name(),
               found.failed.front().second.wrong.front());
    return 0;
  }
  fmt::print("SURVIVED {}: {}\n", mutant.name, mutant.what);
  return 1;
}

}  // namespace

std::span<const Mutant> Mutants() { return kMutants; }
void ChooseMutant(std::string_view name) { Chosen() = name; }

bool EndedItself(int wait_status) {
  constexpr int kFaults[] = {SIGABRT, SIGSEGV, SIGILL, SIGBUS, SIGFPE};
  return WIFSIGNALED(wait_status) && std::ranges::find(kFaults, WTERMSIG(wait_status)) != std::end(kFaults);
}

Result<int> HuntMutants(uint64_t seeds, const std::string& only) {
  if (!only.empty() &&
      std::ranges::find(kMutants, std::string_view(only), &Mutant::name) == std::end(kMutants))
    return Fail(Code::kInvalidArgument, "no_such_mutant", fmt::format("there is no mutant \"{}\"", only));
  int survivors = 0;
  for (const Mutant& mutant : kMutants) {
    if (!only.empty() && only != mutant.name) continue;
    std::fflush(stdout);
    const pid_t child = ::fork();
    CHECK(child >= 0);
    if (child == 0) {
      const int survived = Hunt(mutant, seeds);
      std::fflush(stdout);
      std::_Exit(survived);
    }
    int status = 0;
    CHECK(::waitpid(child, &status, 0) == child);
    if (EndedItself(status)) {
      fmt::print("caught {:<32} by a check of the program itself, which ended it\n", mutant.name);
    } else if (WIFSIGNALED(status)) {
      fmt::print("NOT KNOWN {}: signal {} ended the hunt from outside\n", mutant.name, WTERMSIG(status));
      ++survivors;
    } else if (WEXITSTATUS(status) != 0) {
      ++survivors;
    }
  }
  return survivors;
}

}  // namespace sim
}  // namespace boxoffice
