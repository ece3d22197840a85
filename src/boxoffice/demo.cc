#include "boxoffice/demo.h"

#include <charconv>
#include <chrono>
#include <fstream>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <grpcpp/client_context.h>

#include "boxoffice/demo_plans.h"
#include "boxoffice/queue/v1/queue.grpc.pb.h"
#include "boxoffice/seat/v1/seat.grpc.pb.h"
#include "platform/rpc/status.h"

namespace boxoffice::demo {
namespace {

constexpr std::chrono::seconds kCallLimit{30};  // the stadium's import takes about a second

struct Concert {
  std::string_view key;  // names its operations: never changed
  std::string_view title;
  std::string_view artist;
  std::string_view venue;
  int days_ahead;
  // Of the queue: wide enough that whoever tries the demo does not wait.
  double rate_per_s;
  uint32_t active_cap;
};

constexpr Concert kStadium{
    "stadium", "Summer of Lights", "The Paper Lanterns", "Han River Stadium", 60, 2'000, 20'000};
constexpr Concert kHall{"hall", "Strings at Dusk", "Mirae Chamber Orchestra", "Namsan Hall", 45, 500, 2'000};
constexpr Concert kClub{"club", "One Night Only", "Basement Sparrows", "Club Hongdae 50", 30, 100, 500};

std::filesystem::path RecordFile(const std::filesystem::path& data_dir) { return data_dir / "demo"; }

Result<void> WriteRecord(const std::filesystem::path& data_dir, const Record& record) {
  const std::filesystem::path file = RecordFile(data_dir);
  const std::filesystem::path temporary = file.string() + ".new";
  std::ofstream out(temporary);
  out << fmt::format("started_at_ms {}\nstadium {}\nhall {}\nclub {}\n", record.started_at_ms,
                     record.shows.stadium, record.shows.hall, record.shows.club);
  out.close();
  std::error_code error;
  if (out) std::filesystem::rename(temporary, file, error);
  if (!out || error) return Fail(Code::kPermissionDenied, "demo_record_unwritable", file.string());
  return {};
}

void Prepare(grpc::ClientContext& context, const Clock& clock) {
  context.set_deadline(std::chrono::system_clock::time_point(clock.Now() + kCallLimit));
}

Result<int64_t> CreateShow(seat::v1::SeatService::Stub& seats, const Clock& clock, const Concert& concert,
                           const Plan& plan, Timestamp start) {
  seat::v1::CreateConcertRequest request;
  request.set_operation_key(fmt::format("demo-{}-concert", concert.key));
  request.set_title(std::string(concert.title));
  request.set_artist(std::string(concert.artist));
  request.set_venue(std::string(concert.venue));
  seat::v1::Concert made;
  grpc::ClientContext context;
  Prepare(context, clock);
  if (const grpc::Status status = seats.CreateConcert(&context, request, &made); !status.ok())
    return std::unexpected(rpc::FromStatus(status));

  seat::v1::CreateShowRequest show_request;
  show_request.set_operation_key(fmt::format("demo-{}-show", concert.key));
  show_request.set_concert_id(made.id());
  show_request.set_starts_at_ms(ToUnixMs(start + std::chrono::days(concert.days_ahead)));
  show_request.set_on_sale_at_ms(ToUnixMs(start));
  show_request.set_currency("KRW");
  show_request.set_seating_plan(plan.seating_plan);
  for (const auto& [category, price] : plan.prices) (*show_request.mutable_prices())[category] = price;
  seat::v1::Show show;
  grpc::ClientContext show_context;
  Prepare(show_context, clock);
  if (const grpc::Status status = seats.CreateShow(&show_context, show_request, &show); !status.ok())
    return std::unexpected(rpc::FromStatus(status));
  return show.id();
}

Result<void> OpenQueue(queue::v1::QueueService::Stub& queues, const Clock& clock, const Concert& concert,
                       int64_t show_id) {
  queue::v1::CommandBatch batch;
  queue::v1::Command& command = *batch.add_commands();
  command.mutable_header()->set_sequence(1);
  command.mutable_configure()->set_show_id(show_id);
  command.mutable_configure()->set_rate_per_s(concert.rate_per_s);
  command.mutable_configure()->set_active_cap(concert.active_cap);
  grpc::ClientContext context;
  Prepare(context, clock);
  const auto stream = queues.Execute(&context);
  queue::v1::OutcomeBatch outcomes;
  const bool answered = stream->Write(batch) && stream->Read(&outcomes) && outcomes.outcomes_size() == 1;
  stream->WritesDone();
  const grpc::Status status = stream->Finish();
  if (!answered) return std::unexpected(rpc::FromStatus(status));
  if (outcomes.outcomes(0).header().has_error())
    return std::unexpected(rpc::FromProto(outcomes.outcomes(0).header().error()));
  return {};
}

}  // namespace

Record ReadRecord(const std::filesystem::path& data_dir) {
  Record record;
  std::ifstream in(RecordFile(data_dir));
  std::string name;
  int64_t value = 0;
  while (in >> name >> value) {
    if (name == "started_at_ms") record.started_at_ms = value;
    if (name == "stadium") record.shows.stadium = value;
    if (name == "hall") record.shows.hall = value;
    if (name == "club") record.shows.club = value;
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
  const auto seats = seat::v1::SeatService::NewStub(channels("seat"));
  const auto queues = queue::v1::QueueService::NewStub(channels("queue"));
  const auto make = [&](const Concert& concert, const Plan& plan) -> Result<int64_t> {
    BOXOFFICE_ASSIGN(const int64_t show,
                     CreateShow(*seats, clock, concert, plan, FromUnixMs(record.started_at_ms)));
    BOXOFFICE_TRY(OpenQueue(*queues, clock, concert, show));
    return show;
  };
  BOXOFFICE_ASSIGN(record.shows.stadium, make(kStadium, Stadium()));
  BOXOFFICE_ASSIGN(record.shows.hall, make(kHall, Hall()));
  BOXOFFICE_ASSIGN(record.shows.club, make(kClub, Club()));
  BOXOFFICE_TRY(WriteRecord(data_dir, record));
  return record.shows;
}

}  // namespace boxoffice::demo
