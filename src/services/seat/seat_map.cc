#include "services/seat/seat_map.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "base/mutant.h"

namespace boxoffice::seat {
namespace {

// Stale entries are thrown out when they are more than the held seats and this.
constexpr size_t kSpareDeadlines = 1024;
// Besides the one without a channel. More than these: the oldest goes, and is made anew when it is asked for.
constexpr size_t kMaxChoices = 8;

}  // namespace

SeatMap::SeatMap(std::shared_ptr<const Layout> layout, uint64_t first_version)
    : layout_(layout),
      version_(first_version),
      states_((layout->capacity() + 3) / 4, '\0'),
      counts_{layout->capacity(), 0, 0, 0, 0},
      deadlines_(layout->capacity()),
      row_versions_(layout->capacity()),
      choices_{{{}, false, FreeSeats(layout)}} {}

void SeatMap::Apply(const SeatRow& row, int64_t version) {
  const std::scoped_lock lock(mutex_);
  const SeatNo seat_no = row.key.seat_no;
  if (seat_no < 1 || seat_no > row_versions_.size() || version <= row_versions_[seat_no - 1]) return;
  row_versions_[seat_no - 1] = version;
  const bool kept =
      (!row.channel.empty() || !kept_.empty()) && KeepLocked(row) && !MUTANT("seat_map_shows_kept");
  SetLocked(seat_no, kept && row.state == SeatState::kFree ? SeatState::kBlocked : row.state);
  ++version_;  // also when only the deadline has changed
  if (row.state != SeatState::kHeld) return;
  deadlines_[seat_no - 1] = row.hold_expires_at;
  next_deadlines_.push({row.hold_expires_at, seat_no});
  if (next_deadlines_.size() > 2 * size_t{counts_.held} + kSpareDeadlines) DropStaleDeadlinesLocked();
}

void SeatMap::ForgetVersions() {
  const std::scoped_lock lock(mutex_);
  std::ranges::fill(row_versions_, 0);
}

void SeatMap::FreeUnstored() {
  const std::scoped_lock lock(mutex_);
  for (SeatNo seat_no = 1; seat_no <= row_versions_.size(); ++seat_no) {
    if (row_versions_[seat_no - 1] != 0) continue;
    if (StateLocked(seat_no) == SeatState::kFree && !kept_.contains(seat_no)) continue;
    ForgetKeptLocked(seat_no);
    SetLocked(seat_no, SeatState::kFree);
    ++version_;
  }
}

SeatMap::View SeatMap::Look(Timestamp now) {
  const std::scoped_lock lock(mutex_);
  View view = CountsLocked(now);
  view.states = states_;
  return view;
}

SeatMap::View SeatMap::LookAtCounts(Timestamp now) {
  const std::scoped_lock lock(mutex_);
  return CountsLocked(now);
}

uint64_t SeatMap::Version(Timestamp now) {
  const std::scoped_lock lock(mutex_);
  LapseLocked(now);
  return version_;
}

std::optional<SeatMap::View> SeatMap::LookUnless(uint64_t version, Timestamp now) {
  const std::scoped_lock lock(mutex_);
  View view = CountsLocked(now);
  if (view.version == version) return std::nullopt;
  view.states = states_;
  return view;
}

std::vector<SeatNo> SeatMap::TakeLapsed(size_t limit, Timestamp now) {
  const std::scoped_lock lock(mutex_);
  LapseLocked(now);
  const size_t count = std::min(limit, lapsed_.size());
  const auto end = lapsed_.begin() + static_cast<ptrdiff_t>(count);
  std::vector<SeatNo> taken(lapsed_.begin(), end);
  lapsed_.erase(lapsed_.begin(), end);
  return taken;
}

void SeatMap::ReturnLapsed(const std::vector<SeatNo>& seats) {
  const std::scoped_lock lock(mutex_);
  lapsed_.insert(lapsed_.end(), seats.begin(), seats.end());
}

// What the row says of its channel, whose seat it is or no more.
bool SeatMap::KeepLocked(const SeatRow& row) {
  const SeatNo seat_no = row.key.seat_no;
  if (row.channel.empty()) {
    ForgetKeptLocked(seat_no);
    return false;
  }
  channels_.insert(row.channel);
  Kept& kept = kept_[seat_no];
  const bool is_news = row.channel_until != Timestamp{} && row.channel_until != kept.until;
  if (is_news) kept_until_.push({row.channel_until, seat_no});
  counts_.kept -= static_cast<uint32_t>(kept.free);
  kept = {row.channel, row.channel_until, row.state == SeatState::kFree, kept.assumed};
  counts_.kept += static_cast<uint32_t>(kept.free);
  return true;
}

void SeatMap::ForgetKeptLocked(SeatNo seat_no) {
  const auto found = kept_.find(seat_no);
  if (found == kept_.end()) return;
  counts_.kept -= static_cast<uint32_t>(found->second.free);
  kept_.erase(found);
  if (!kept_.empty()) return;
  channels_.clear();
  choices_.erase(choices_.begin() + 1, choices_.end());
}

// Nobody has it any more.
void SeatMap::FreeLocked(SeatNo seat_no) {
  const auto kept = kept_.empty() ? kept_.end() : kept_.find(seat_no);
  if (kept == kept_.end()) return SetLocked(seat_no, SeatState::kFree);
  if (!kept->second.free) ++counts_.kept;
  kept->second.free = true;
  SetLocked(seat_no, SeatState::kBlocked);
}

std::vector<SeatMap::Contingent> SeatMap::Contingents(Timestamp now) {
  const std::scoped_lock lock(mutex_);
  LapseLocked(now);
  std::map<std::string, Contingent> by_channel;
  for (const auto& [seat_no, kept] : kept_) {
    Contingent& one = by_channel[kept.channel];
    one.channel = kept.channel;
    one.seats.push_back(seat_no);
    if (kept.free) one.free.push_back(seat_no);
    if (kept.until == Timestamp{}) continue;
    one.next_until = std::min(one.next_until.value_or(kept.until), kept.until);
  }
  std::vector<Contingent> contingents;
  for (auto& [channel, one] : by_channel) {
    std::ranges::sort(one.seats);
    std::ranges::sort(one.free);
    contingents.push_back(std::move(one));
  }
  return contingents;
}

Proposal SeatMap::Propose(const BestAvailable& wish, Timestamp now, bool avoid_orphans,
                          std::span<const std::string> channels, bool only_kept) {
  const std::scoped_lock lock(mutex_);
  LapseLocked(now);
  std::vector<std::string> hers;  // of those that the show has
  std::ranges::copy_if(channels_, std::back_inserter(hers), [channels](const std::string& channel) {
    return std::ranges::find(channels, channel) != channels.end();
  });
  Proposal proposal{Proposal::Status::kNotEnough, {}};
  if (!only_kept || !hers.empty()) proposal = ChoiceLocked(hers, only_kept).Choose(wish, avoid_orphans);
  // What was assumed may not come to pass, and then there may be enough.
  const auto may_be_hers = [&](SeatNo one) { return !only_kept || FindKeptLocked(one, hers) != nullptr; };
  if (proposal.status == Proposal::Status::kNotEnough && std::ranges::any_of(assumed_, may_be_hers)) {
    proposal.status = Proposal::Status::kNone;
  }
  for (const SeatNo seat_no : proposal.seats) AssumeLocked(seat_no);
  return proposal;
}

// nullptr: it is not kept for one of these channels, or not free for them; it may be assumed taken.
const SeatMap::Kept* SeatMap::FindKeptLocked(SeatNo seat_no, std::span<const std::string> channels) const {
  const auto found = kept_.find(seat_no);
  if (found == kept_.end() || !found->second.free) return nullptr;
  return std::ranges::find(channels, found->second.channel) != channels.end() ? &found->second : nullptr;
}

// `open`: it is free for everybody.
bool SeatMap::IsInLocked(const Choice& choice, SeatNo seat_no, bool open) const {
  if (open) return !choice.only_kept;
  if (choice.channels.empty()) return false;
  const Kept* kept = FindKeptLocked(seat_no, choice.channels);
  return kept != nullptr && !kept->assumed;
}

void SeatMap::SetOpenLocked(SeatNo seat_no, bool open) {
  for (Choice& choice : choices_) choice.free.Set(seat_no, IsInLocked(choice, seat_no, open));
}

const FreeSeats& SeatMap::ChoiceLocked(std::vector<std::string> channels, bool only_kept) {
  const auto found = std::ranges::find_if(
      choices_, [&](const Choice& one) { return one.channels == channels && one.only_kept == only_kept; });
  if (found != choices_.end()) return found->free;
  if (choices_.size() > kMaxChoices) choices_.erase(choices_.begin() + 1);
  Choice made{std::move(channels), only_kept, choices_.front().free};
  for (SeatNo seat_no = 1; seat_no <= layout_->capacity(); ++seat_no) {
    made.free.Set(seat_no, IsInLocked(made, seat_no, choices_.front().free.IsFree(seat_no)));
  }
  return choices_.emplace_back(std::move(made)).free;
}

std::vector<SeatNo> SeatMap::OrphansOf(const std::vector<SeatNo>& seats, Timestamp now) {
  const std::scoped_lock lock(mutex_);
  if (seats.empty() || !std::ranges::all_of(seats, [this](SeatNo one) { return layout_->Has(one); }))
    return {};
  LapseLocked(now);
  const FreeSeats& free = choices_.front().free;
  std::vector<SeatNo> orphans = free.OrphansOf(seats);
  const auto count = static_cast<uint32_t>(seats.size());
  if (!orphans.empty() && !free.CanAvoidOrphans(count, layout_->RowOf(seats[0]).section)) return {};
  return orphans;
}

std::vector<SeatNo> SeatMap::Nearest(const std::vector<SeatNo>& seats, bool avoid_orphans, Timestamp now) {
  const std::scoped_lock lock(mutex_);
  LapseLocked(now);
  return choices_.front().free.Nearest(seats, avoid_orphans);
}

void SeatMap::AssumeTaken(const std::vector<SeatNo>& seats, Timestamp now) {
  const std::scoped_lock lock(mutex_);
  LapseLocked(now);
  if (!std::ranges::all_of(seats, [this](SeatNo one) { return IsToBeHadLocked(one); })) return;
  for (const SeatNo seat_no : seats) AssumeLocked(seat_no);
}

std::vector<SeatNo> SeatMap::AssumedBesides(std::span<const SeatNo> own) {
  const std::scoped_lock lock(mutex_);
  std::vector<SeatNo> others;
  others.reserve(assumed_.size());
  std::ranges::copy_if(assumed_, std::back_inserter(others),
                       [own](SeatNo one) { return !std::ranges::binary_search(own, one); });
  return others;
}

// By somebody: it is free, if only for a channel's buyers, and nobody is assumed to take it.
bool SeatMap::IsToBeHadLocked(SeatNo seat_no) const {
  if (!layout_->Has(seat_no)) return false;
  if (choices_.front().free.IsFree(seat_no)) return true;
  const auto kept = kept_.find(seat_no);
  return kept != kept_.end() && kept->second.free && !kept->second.assumed;
}

void SeatMap::AssumeLocked(SeatNo seat_no) {
  if (const auto kept = kept_.find(seat_no); kept != kept_.end()) kept->second.assumed = true;
  SetOpenLocked(seat_no, false);
  assumed_.push_back(seat_no);
}

void SeatMap::Settle() {
  const std::scoped_lock lock(mutex_);
  for (const SeatNo seat_no : assumed_) {
    if (const auto kept = kept_.find(seat_no); kept != kept_.end()) kept->second.assumed = false;
    SetOpenLocked(seat_no, StateLocked(seat_no) == SeatState::kFree);
  }
  assumed_.clear();
}

void SeatMap::SetPrices(std::shared_ptr<const Layout> layout) {
  const std::scoped_lock lock(mutex_);
  for (Choice& choice : choices_) choice.free.SetPrices(layout);
  layout_ = std::move(layout);
  ++version_;  // whoever has the map looks at it anew, and finds the layout
}

ShowMarks SeatMap::marks() {
  const std::scoped_lock lock(mutex_);
  return marks_;
}

void SeatMap::SetMarks(const ShowMarks& marks) {
  const std::scoped_lock lock(mutex_);
  marks_ = marks;
}

void SeatMap::LearnMarks(const ShowMarks& marks) {
  const std::scoped_lock lock(mutex_);
  if (!marks_.first_sold_at) marks_.first_sold_at = marks.first_sold_at;
  if (!marks_.sold_out_at) marks_.sold_out_at = marks.sold_out_at;
}

SeatState SeatMap::StateLocked(SeatNo seat_no) const {
  const uint32_t index = seat_no - 1;
  return static_cast<SeatState>((static_cast<uint8_t>(states_[index / 4]) >> (2 * (index % 4))) & 3);
}

void SeatMap::SetLocked(SeatNo seat_no, SeatState state) {
  --CountOf(StateLocked(seat_no));
  ++CountOf(state);
  const uint32_t index = seat_no - 1;
  const uint32_t shift = 2 * (index % 4);
  const auto byte = static_cast<uint8_t>(states_[index / 4]);
  states_[index / 4] = static_cast<char>((byte & ~(3U << shift)) | (static_cast<uint32_t>(state) << shift));
  SetOpenLocked(seat_no, state == SeatState::kFree);
}

void SeatMap::LapseLocked(Timestamp now) {
  while (!next_deadlines_.empty()) {
    const Deadline first = next_deadlines_.top();
    const bool stale =
        deadlines_[first.seat_no - 1] != first.at || StateLocked(first.seat_no) != SeatState::kHeld;
    if (!stale && first.at > now) break;
    next_deadlines_.pop();
    if (stale) continue;
    FreeLocked(first.seat_no);
    ++version_;
    lapsed_.push_back(first.seat_no);
  }
  while (!kept_until_.empty() && kept_until_.top().at <= now) {
    const Deadline first = kept_until_.top();
    kept_until_.pop();
    const auto kept = kept_.find(first.seat_no);
    if (kept == kept_.end() || kept->second.until != first.at) continue;
    const bool was_free = kept->second.free;
    ForgetKeptLocked(first.seat_no);
    if (!was_free) continue;
    SetLocked(first.seat_no, SeatState::kFree);
    ++version_;
  }
}

void SeatMap::DropStaleDeadlinesLocked() {
  std::vector<Deadline> held;
  held.reserve(counts_.held);
  for (SeatNo seat_no = 1; seat_no <= deadlines_.size(); ++seat_no) {
    if (StateLocked(seat_no) == SeatState::kHeld) held.push_back({deadlines_[seat_no - 1], seat_no});
  }
  next_deadlines_ = decltype(next_deadlines_)(std::greater<>(), std::move(held));
}

SeatMap::View SeatMap::CountsLocked(Timestamp now) {
  LapseLocked(now);
  View view{version_, {}, counts_, std::nullopt};
  if (!next_deadlines_.empty()) view.next_release_at = next_deadlines_.top().at;
  return view;
}

uint32_t& SeatMap::CountOf(SeatState state) {
  switch (state) {
    case SeatState::kFree:
      return counts_.free;
    case SeatState::kHeld:
      return counts_.held;
    case SeatState::kSold:
      return counts_.sold;
    case SeatState::kBlocked:
      break;
  }
  return counts_.blocked;
}

}  // namespace boxoffice::seat
