// A CommandBatch of the seat service as it comes from the wire: decoded, translated, decided by the real
// rules over the fixture of their tests, and the outcomes encoded. No batch makes a seat change hands but by
// what may do so.
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "boxoffice/seat/v1/seat.pb.h"
#include "services/seat/rpc_convert.h"
#include "services/seat/testing_book.h"

namespace boxoffice::seat {
namespace {

class Hall final : public SeatBookTest {
 public:
  void TestBody() override {}

  // So many commands are one batch; then time goes on by what the last one's time-out says.
  void Run(const v1::CommandBatch& proto) {
    std::vector<Command> batch;
    for (const v1::Command& one : proto.commands()) {
      Result<Command> command = FromProto(one);
      if (!command) {
        CHECK(command.error().code == Code::kInvalidArgument && !command.error().detail.empty());
        continue;
      }
      Complete(*command);
      batch.push_back(*std::move(command));
      if (one.header().sequence() % 3 != 0) continue;
      Decide(std::exchange(batch, {}));
      now_ += std::chrono::milliseconds(one.header().timeout_ms() % 600'000);
    }
    if (!batch.empty()) Decide(std::move(batch));
  }

 private:
  // What the map proposes, and what a move looks up beforehand.
  void Complete(Command& command) {
    if (auto* hold = std::get_if<HoldSeats>(&command.body); hold != nullptr && hold->best) {
      for (SeatNo seat_no = 1; seat_no <= 12 && hold->proposal.seats.size() < hold->best->count; ++seat_no) {
        if (Row(seat_no).IsFree(now_)) hold->proposal.seats.push_back(seat_no);
      }
      const bool found = hold->best->count > 0 && hold->proposal.seats.size() == hold->best->count;
      hold->proposal.status = found ? Proposal::Status::kFound : Proposal::Status::kNotEnough;
      if (!found) hold->proposal.seats.clear();
    }
    auto* move = std::get_if<MoveSeats>(&command.body);
    if (move != nullptr && !move->from.empty()) move->user_id = Row(move->from.front()).user_id;
  }

  void Decide(std::vector<Command> batch) {
    const std::map<SeatKey, SeatRow> before = seats_;
    const std::vector<std::optional<Outcome>> outcomes = RunBatch(batch);
    CHECK(outcomes.size() == batch.size());
    for (const auto& outcome : outcomes) {
      if (outcome) CHECK(v1::Outcome().ParseFromString(ToProto(*outcome).SerializeAsString()));
    }
    CheckSeats(before, batch);
    // A repeat of the last one is answered the same, and changes nothing that others have.
    if (!outcomes.back()) return;
    const auto again = RunBatch({batch.back()});
    CHECK(again.size() == 1);
    if (again[0]) CHECK(again[0]->kind == outcomes.back()->kind, "a repeat is answered otherwise");
  }

  static bool MayGiveUp(const std::vector<Command>& batch, ReservationId reservation) {
    return std::ranges::any_of(batch, [&](const Command& command) {
      const auto* release = std::get_if<ReleaseSeats>(&command.body);
      const auto* move = std::get_if<MoveSeats>(&command.body);
      return (release != nullptr && release->reservation == reservation) ||
             (move != nullptr && move->reservation == reservation);
    });
  }

  void CheckSeats(const std::map<SeatKey, SeatRow>& before, const std::vector<Command>& batch) const {
    std::map<std::string, size_t> owned;
    for (const auto& [key, row] : seats_) {
      CHECK(row.IsOwned() == !row.reservation.IsNil() && row.IsOwned() == !row.user_id.empty());
      if (!row.IsFree(now_) && row.IsOwned()) ++owned[row.user_id];
      if (row.IsOwned()) CHECK(facts_.show->layout->Has(key.seat_no) && key.show_id == kShow, "no such seat");
      const auto was = before.find(key);
      if (was == before.end() || was->second.IsFree(now_)) continue;
      const SeatRow& old = was->second;
      const bool kept = row.reservation == old.reservation && row.user_id == old.user_id;
      CHECK(kept || MayGiveUp(batch, old.reservation), "seat {} was taken away", key.seat_no);
      if (old.state == SeatState::kSold && kept)
        CHECK(row.state == SeatState::kSold, "seat {} is sold no more", key.seat_no);
    }
    for (const auto& [user, count] : owned)
      CHECK(count <= facts_.show->terms.seat_limit, "{} has {}", user, count);
  }
};

}  // namespace
}  // namespace boxoffice::seat

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  boxoffice::seat::v1::CommandBatch batch;
  if (!batch.ParseFromArray(data, static_cast<int>(size))) return -1;
  boxoffice::seat::Hall().Run(batch);
  return 0;
}
