#include "boxoffice/demo.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <grpcpp/client_context.h>

#include "boxoffice/demo_plans.h"
#include "boxoffice/folder_files.h"
#include "boxoffice/queue/v1/queue.grpc.pb.h"
#include "boxoffice/reservation/v1/reservation.grpc.pb.h"
#include "boxoffice/seat/v1/seat.grpc.pb.h"
#include "boxoffice/wallet/v1/wallet.grpc.pb.h"
#include "platform/rpc/status.h"

namespace boxoffice::demo {
namespace {

constexpr std::chrono::seconds kCallLimit{30};  // the stadium's import takes about a second
constexpr std::chrono::hours kPrequeue{24};
constexpr std::chrono::minutes kEvening =
    std::chrono::hours(10) + std::chrono::minutes(30);  // 19:30 in Seoul
constexpr uint32_t kFans = 10;                          // who buy the show that is sold out, all of it
constexpr uint32_t kSeatsOfAFan = 5;
constexpr int64_t kFansMoney = 500'000;

struct Concert {
  std::string_view key;  // names its operations and its line in the record: never changed
  int64_t Shows::* show;
  Plan (*plan)();
  std::string_view title;
  std::string_view artist;
  std::string_view venue;
  int days_ahead;
  // Of the queue: wide enough that whoever tries the demo does not wait.
  double rate_per_s;
  uint32_t active_cap;
};

// The first ones have the ids that README and hints name.
constexpr Concert kConcerts[] = {
    {"stadium", &Shows::stadium, Stadium, "여름의 빛 · Summer of Lights", "종이등 · The Paper Lanterns",
     "한강 스타디움 · Han River Stadium", 60, 2'000, 20'000},
    {"hall", &Shows::hall, Hall, "해 질 녘의 현 · Strings at Dusk",
     "미래 체임버 오케스트라 · Mirae Chamber Orchestra", "남산홀 · Namsan Hall", 45, 500, 2'000},
    {"club", &Shows::club, Club, "단 하룻밤 · One Night Only", "지하실 참새들 · Basement Sparrows",
     "클럽 홍대 50 · Club Hongdae 50", 30, 100, 500},
    {"prequeue", &Shows::prequeue, Hall, "겨울 나그네, 다시 · Winter Journey, Again", "한겨울 · Han Gyeoul",
     "남산홀 · Namsan Hall", 75, 50, 500},
    {"sold-out", &Shows::sold_out, Club, "작은 방의 노래 · Songs of a Small Room", "윤슬 · Yunseul",
     "클럽 홍대 50 · Club Hongdae 50", 21, 100, 500},
    {"cancelled", &Shows::cancelled, Club, "비 오는 날의 재즈 · Jazz for a Rainy Day",
     "푸른 밤 사중주 · Blue Night Quartet", "클럽 홍대 50 · Club Hongdae 50", 14, 100, 500},
};

std::filesystem::path RecordFile(const std::filesystem::path& data_dir) { return data_dir / "demo"; }

Result<void> WriteRecord(const std::filesystem::path& data_dir, const Record& record) {
  std::string text = fmt::format("started_at_ms {}\n", record.started_at_ms);
  for (const Concert& concert : kConcerts)
    text += fmt::format("{} {}\n", concert.key, record.shows.*concert.show);
  return WriteFile(RecordFile(data_dir), text);
}

// A show that is there already counts from another time: that of a record which was lost.
Result<int64_t> ToldOfLostRecord(Result<int64_t> made, const std::filesystem::path& data_dir) {
  if (!made && made.error().reason == "operation_key_reused") {
    made.error().detail = fmt::format(
        "the demo concerts are there already, and of another time than {} says: --no-seed starts with what "
        "is there",
        RecordFile(data_dir).string());
  }
  return made;
}

class Seeder {
 public:
  Seeder(const Clock& clock, Timestamp start,
         const std::function<std::shared_ptr<grpc::Channel>(std::string_view)>& channels)
      : clock_(clock),
        start_(start),
        seats_(seat::v1::SeatService::NewStub(channels("seat"))),
        queues_(queue::v1::QueueService::NewStub(channels("queue"))),
        wallets_(wallet::v1::WalletService::NewStub(channels("wallet"))),
        reservations_(reservation::v1::ReservationService::NewStub(channels("reservation"))) {}

  // The show's id.
  Result<int64_t> Make(const Concert& concert) {
    BOXOFFICE_ASSIGN(const int64_t show, CreateShow(concert));
    BOXOFFICE_TRY(SetQueue(concert, show));
    if (concert.show == &Shows::sold_out) BOXOFFICE_TRY(SellOut(show));
    if (concert.show == &Shows::cancelled) BOXOFFICE_TRY(Cancel(show));
    return show;
  }

 private:
  void Prepare(grpc::ClientContext& context) const {
    context.set_deadline(std::chrono::system_clock::time_point(clock_.Now() + kCallLimit));
  }

  Result<int64_t> CreateShow(const Concert& concert) {
    seat::v1::CreateConcertRequest request;
    request.set_operation_key(fmt::format("demo-{}-concert", concert.key));
    request.set_title(std::string(concert.title));
    request.set_artist(std::string(concert.artist));
    request.set_venue(std::string(concert.venue));
    seat::v1::Concert made;
    grpc::ClientContext context;
    Prepare(context);
    if (const grpc::Status status = seats_->CreateConcert(&context, request, &made); !status.ok())
      return std::unexpected(rpc::FromStatus(status));

    const Plan plan = concert.plan();
    const Timestamp opening = concert.show == &Shows::prequeue ? start_ + kPrequeue : start_;
    seat::v1::CreateShowRequest show_request;
    show_request.set_operation_key(fmt::format("demo-{}-show", concert.key));
    show_request.set_concert_id(made.id());
    show_request.set_starts_at_ms(ToUnixMs(std::chrono::floor<std::chrono::days>(start_) +
                                           std::chrono::days(concert.days_ahead) + kEvening));
    show_request.set_on_sale_at_ms(ToUnixMs(opening));
    show_request.set_currency("KRW");
    show_request.set_seating_plan(plan.seating_plan);
    for (const auto& [category, price] : plan.prices) (*show_request.mutable_prices())[category] = price;
    seat::v1::Show show;
    grpc::ClientContext show_context;
    Prepare(show_context);
    if (const grpc::Status status = seats_->CreateShow(&show_context, show_request, &show); !status.ok())
      return std::unexpected(rpc::FromStatus(status));
    return show.id();
  }

  // Whoever buys the show that is sold out does so without a queue. A repeat may be refused: the draw was
  // meanwhile.
  Result<void> SetQueue(const Concert& concert, int64_t show) {
    queue::v1::CommandBatch batch;
    queue::v1::ConfigureQueue& configure = *batch.add_commands()->mutable_configure();
    configure.set_show_id(show);
    configure.set_rate_per_s(concert.rate_per_s);
    configure.set_active_cap(concert.active_cap);
    if (concert.show == &Shows::sold_out) configure.set_state(queue::v1::OFF);
    if (concert.show == &Shows::prequeue) {
      configure.set_state(queue::v1::PREQUEUE);
      // A seeding that was broken off, and is completed later than that, opens soon.
      configure.set_opens_at_ms(ToUnixMs(std::max(start_ + kPrequeue, clock_.Now() + std::chrono::hours(1))));
    }
    BOXOFFICE_TRY(Execute<queue::v1::OutcomeBatch>(*queues_, std::move(batch)));
    return {};
  }

  Result<void> SellOut(int64_t show) {
    wallet::v1::CommandBatch charges;
    reservation::v1::CommandBatch purchases;
    for (uint32_t fan = 1; fan <= kFans; ++fan) {
      const std::string user = fmt::format("fan-{}", fan);
      wallet::v1::TopUp& charge = *charges.add_commands()->mutable_top_up();
      charge.set_client_key("demo");
      charge.set_user_id(user);
      charge.mutable_money()->set_amount(kFansMoney);
      charge.mutable_money()->set_currency("KRW");
      reservation::v1::Command& purchase = *purchases.add_commands();
      purchase.set_user_id(user);
      purchase.set_idempotency_key("demo");
      purchase.set_request_hash("demo");
      purchase.mutable_reserve()->set_show_id(show);
      purchase.mutable_reserve()->mutable_best_available()->set_count(kSeatsOfAFan);
      purchase.mutable_reserve()->set_pay(true);
    }
    BOXOFFICE_TRY(Execute<wallet::v1::OutcomeBatch>(*wallets_, std::move(charges)));
    BOXOFFICE_ASSIGN(const auto outcomes,
                     Execute<reservation::v1::OutcomeBatch>(*reservations_, std::move(purchases)));
    for (const reservation::v1::Outcome& outcome : outcomes) {
      if (outcome.has_refusal()) {
        return Fail(Code::kInternal, "demo_sale_refused",
                    fmt::format("show {}: {}", show, outcome.refusal().code()));
      }
    }
    return {};
  }

  Result<void> Cancel(int64_t show) {
    seat::v1::ChangeShowStateRequest request;
    request.set_id(show);
    request.set_state(seat::v1::CANCELLED);
    seat::v1::Show changed;
    grpc::ClientContext context;
    Prepare(context);
    const grpc::Status status = seats_->ChangeShowState(&context, request, &changed);
    return status.ok() ? Result<void>() : std::unexpected(rpc::FromStatus(status));
  }

  // The outcomes of all commands, in whatever order. Errors: the first that one of them met, and the
  // stream's.
  template <typename OutcomeBatch>
  auto Execute(auto& stub, auto batch)
      -> Result<std::vector<std::remove_cvref_t<decltype(std::declval<OutcomeBatch>().outcomes(0))>>> {
    uint64_t sequence = 0;
    for (auto& command : *batch.mutable_commands()) command.mutable_header()->set_sequence(++sequence);
    const auto count = static_cast<size_t>(batch.commands_size());
    grpc::ClientContext context;
    Prepare(context);
    const auto stream = stub.Execute(&context);
    std::vector<std::remove_cvref_t<decltype(std::declval<OutcomeBatch>().outcomes(0))>> outcomes;
    OutcomeBatch some;
    bool answered = stream->Write(batch);
    while (answered && outcomes.size() < count) {
      answered = stream->Read(&some);
      for (auto& outcome : *some.mutable_outcomes()) outcomes.push_back(std::move(outcome));
    }
    stream->WritesDone();
    const grpc::Status status = stream->Finish();
    if (!answered) return std::unexpected(rpc::FromStatus(status));
    for (const auto& outcome : outcomes) {
      if (outcome.header().has_error()) return std::unexpected(rpc::FromProto(outcome.header().error()));
    }
    return outcomes;
  }

  const Clock& clock_;
  const Timestamp start_;
  const std::unique_ptr<seat::v1::SeatService::Stub> seats_;
  const std::unique_ptr<queue::v1::QueueService::Stub> queues_;
  const std::unique_ptr<wallet::v1::WalletService::Stub> wallets_;
  const std::unique_ptr<reservation::v1::ReservationService::Stub> reservations_;
};

}  // namespace

bool Record::done() const {
  return std::ranges::all_of(kConcerts, [this](const Concert& concert) { return shows.*concert.show != 0; });
}

Record ReadRecord(const std::filesystem::path& data_dir) {
  Record record;
  std::ifstream in(RecordFile(data_dir));
  std::string name;
  int64_t value = 0;
  while (in >> name >> value) {
    if (name == "started_at_ms") record.started_at_ms = value;
    const auto* concert = std::ranges::find(kConcerts, name, &Concert::key);
    if (concert != std::end(kConcerts)) record.shows.*concert->show = value;
  }
  return record;
}

Result<Shows> Seed(const std::filesystem::path& data_dir, const Clock& clock,
                   const std::function<std::shared_ptr<grpc::Channel>(std::string_view)>& channels) {
  Record record = ReadRecord(data_dir);
  if (record.done()) return record.shows;
  if (record.started_at_ms == 0) {
    record.started_at_ms = ToUnixMs(clock.Now());
    BOXOFFICE_TRY(WriteRecord(data_dir, record));
  }
  Seeder seeder(clock, FromUnixMs(record.started_at_ms), channels);
  for (const Concert& concert : kConcerts) {
    if (record.shows.*concert.show != 0) continue;
    BOXOFFICE_ASSIGN(record.shows.*concert.show, ToldOfLostRecord(seeder.Make(concert), data_dir));
    BOXOFFICE_TRY(WriteRecord(data_dir, record));
  }
  return record.shows;
}

}  // namespace boxoffice::demo
