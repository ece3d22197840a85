#include "saga/world.h"

#include <thread>
#include <utility>

#include <fmt/format.h>
#include <grpcpp/client_context.h>

#include "base/check.h"
#include "boxoffice/payment/v1/payment.grpc.pb.h"
#include "boxoffice/queue/v1/queue.grpc.pb.h"
#include "boxoffice/reservation/v1/reservation.grpc.pb.h"
#include "boxoffice/seat/v1/seat.grpc.pb.h"
#include "boxoffice/wallet/v1/wallet.grpc.pb.h"
#include "platform/bus/sqlite_bus.h"
#include "platform/module/store_url.h"
#include "platform/obs/log.h"
#include "platform/rpc/status.h"
#include "services/queue/module.h"
#include "services/ranking/module.h"
#include "services/reservation/participant_client.h"
#include "services/seat/module.h"
#include "services/wallet/module.h"

namespace boxoffice::faults {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr std::chrono::seconds kCallLimit{60};
constexpr milliseconds kPoll{2};

void Prepare(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::time_point(SystemClock().Now() + kCallLimit));
}

constexpr int kRows = 60;
constexpr int kCheapRows = 10;  // the last ones

// pretix's seating-plan JSON: one zone of rows of `length`, the last of them of category B.
std::string SeatingPlan(int rows, int length, int cheap_rows) {
  std::string all;
  for (int row = 1; row <= rows; ++row) {
    std::string seats;
    for (int seat = 1; seat <= length; ++seat) {
      seats += fmt::format(
          R"({}{{"seat_number":"{}","seat_guid":"{}-{}","category":"{}","position":{{"x":{},"y":0}}}})",
          seat > 1 ? "," : "", seat, row, seat, row > rows - cheap_rows ? "B" : "A", seat);
    }
    all += fmt::format(R"({}{{"row_number":"{}","position":{{"x":0,"y":{}}},"seats":[{}]}})",
                       row > 1 ? "," : "", row, row, seats);
  }
  return fmt::format(
      R"({{"name":"Hall","categories":[{{"name":"A","color":"#f00"}}{}],"zones":[{{"name":"Hall","position":{{"x":0,"y":0}},"rows":[{}]}}],"size":{{"width":100,"height":100}}}})",
      cheap_rows > 0 ? R"(,{"name":"B","color":"#0f0"})" : "", all);
}

void ExpectOk(const grpc::Status& status) { CHECK(status.ok(), "{}", status.error_message()); }

// All commands in one message; the outcomes in the order of the commands.
template <typename CommandBatch, typename OutcomeBatch, typename Stub, typename Command>
auto ExecuteAll(Stub& stub, const std::vector<Command>& commands, bool may_fail = false) {
  using Outcome = std::remove_cvref_t<decltype(std::declval<OutcomeBatch>().outcomes(0))>;
  CommandBatch batch;
  for (size_t i = 0; i < commands.size(); ++i) {
    Command& command = *batch.add_commands();
    command = commands[i];
    command.mutable_header()->set_sequence(i + 1);
  }
  grpc::ClientContext context;
  Prepare(context);
  const auto stream = stub.Execute(&context);
  CHECK(stream->Write(batch));
  std::vector<Outcome> outcomes(commands.size());
  OutcomeBatch answered;
  for (size_t got = 0; got < commands.size();) {
    if (!stream->Read(&answered)) {
      const grpc::Status status = stream->Finish();
      CHECK(false, "{} of {} outcomes, then: {}", got, commands.size(), status.error_message());
    }
    for (Outcome& outcome : *answered.mutable_outcomes()) {
      CHECK(may_fail || !outcome.header().has_error(), "{}", outcome.header().error().detail());
      outcomes[outcome.header().sequence() - 1] = std::move(outcome);
      ++got;
    }
  }
  stream->WritesDone();
  ExpectOk(stream->Finish());
  return outcomes;
}

audit::AuditConfig AuditOnDemand() {
  audit::AuditConfig config;
  config.every = std::chrono::hours(24);
  config.patience = {
      .readings = 3, .pause = milliseconds(50), .settle = milliseconds(5'000), .max_readings = 200};
  return config;
}

}  // namespace

reservation::ServiceConfig HastyReservations(milliseconds lease) {
  reservation::ServiceConfig config;
  config.policy.first_backoff = milliseconds(1);
  config.policy.max_backoff = milliseconds(20);
  config.policy.max_tries = 1'000'000;
  config.policy.lease = lease;
  config.policy.park_after = std::chrono::hours(24);
  config.retry = {.retries = 1, .first_pause = milliseconds(1), .give_up_after = std::chrono::seconds(60)};
  config.scan_every = milliseconds(5);
  return config;
}

// gRPC makes a connection for each channel, so each is asked for once.
struct World::Stubs {
  std::unique_ptr<queue::v1::QueueService::Stub> queue;
  std::unique_ptr<seat::v1::SeatService::Stub> seat;
  std::unique_ptr<wallet::v1::WalletService::Stub> wallet;
  std::unique_ptr<payment::v1::PaymentService::Stub> payment;
  std::unique_ptr<reservation::v1::ReservationService::Stub> reservation;
};

World::World(milliseconds lease, payment::PaymentConfig payment, bool works_on_shows, milliseconds settle,
             Between between) {
  obs::SetLogLevel(obs::Level::kError);
  bus::SqliteBusConfig bus_config;
  bus_config.file = dir_.path() / "bus.db";
  bus_ = bus::SqliteBus::Open(std::move(bus_config), clock_, metrics_).value();
  runtime_.reset(
      new module::Runtime{.clock = clock_,
                          .random = random_,
                          .metrics = metrics_,
                          .bus = *bus_,
                          .channels = [this](std::string_view service) { return ForThisProcess(service); },
                          .data_dir = dir_.path(),
                          .listen = {},
                          .store_url = module::DefaultStoreUrl(dir_.path()),
                          .health = {}});
  std::filesystem::create_directories(dir_.path() / "keys");
  reservation::ReservationConfig config;
  config.service = HastyReservations(lease);
  config.shows.scan_every = works_on_shows ? milliseconds(5) : std::chrono::hours(24);
  config.shows.poll_every = milliseconds(5);
  config.shows.settle = settle;
  config.calls = {.step = kCallLimit, .payment = kCallLimit};
  AddModules(std::move(payment), std::move(config), std::move(between));
  const auto started = graph_.Start();
  CHECK(started.has_value(), "{}", started.error().detail);
  stubs_.reset(new Stubs{queue::v1::QueueService::NewStub(Channel("queue")),
                         seat::v1::SeatService::NewStub(Channel("seat")),
                         wallet::v1::WalletService::NewStub(Channel("wallet")),
                         payment::v1::PaymentService::NewStub(Channel("payment")),
                         reservation::v1::ReservationService::NewStub(Channel("reservation"))});
  CreateConcert();
  TakeNewShow(kRows, 50, kCheapRows);
}

World::~World() {
  stubs_.reset();
  graph_.Stop(milliseconds(1'000));
}

template <typename Service>
void World::Add(std::unique_ptr<Service> service) {
  services_[std::string(service->name())] = service.get();
  graph_.Add(std::move(service));
}

void World::AddModules(payment::PaymentConfig payment, reservation::ReservationConfig config,
                       Between between) {
  Add(std::make_unique<queue::QueueModule>(*runtime_, queue::QueueConfig{.tick_interval = milliseconds(10)}));
  Add(std::make_unique<seat::SeatModule>(*runtime_, seat::SeatConfig{}));
  Add(std::make_unique<wallet::WalletModule>(*runtime_, wallet::WalletConfig{}));
  Add(std::make_unique<payment::PaymentModule>(*runtime_, std::move(payment)));
  Add(std::make_unique<ranking::RankingModule>(*runtime_, ranking::RankingConfig{}));
  config.connect_participants = [this, between = std::move(between)](asio::any_io_executor executor,
                                                                     const module::Runtime& runtime,
                                                                     const reservation::CallTimeouts& calls) {
    auto real = reservation::ConnectParticipants(executor, runtime, calls);
    if (between) real = between(std::move(real));
    auto faulty = std::make_unique<FaultyParticipants>(executor, std::move(real), clock_, random_);
    participants_ = faulty.get();
    return faulty;
  };
  Add(std::make_unique<reservation::ReservationModule>(*runtime_, std::move(config)));
  auto audit = std::make_unique<audit::AuditModule>(*runtime_, AuditOnDemand());
  audit_ = audit.get();
  graph_.Add(std::move(audit));
}

rpc::InProcess World::ForThisProcess(std::string_view service) const {
  return services_.find(service)->second->ForThisProcess();
}

void World::CreateConcert() {
  seat::v1::CreateConcertRequest request;
  request.set_operation_key("concert");
  request.set_title("Faults");
  request.set_artist("The Participants");
  request.set_venue("Hall");
  seat::v1::Concert concert;
  grpc::ClientContext context;
  Prepare(context);
  ExpectOk(stubs_->seat->CreateConcert(&context, request, &concert));
  concert_id_ = concert.id();
}

void World::TakeNewShow(int rows, int row, int cheap_rows) {
  seat::v1::CreateShowRequest request;
  request.set_operation_key(fmt::format("show{}", ++shows_));
  request.set_concert_id(concert_id_);
  request.set_starts_at_ms(ToUnixMs(clock_.Now() + std::chrono::days(365)));
  request.set_currency("KRW");
  request.set_hold_ttl_ms(static_cast<uint32_t>(kHoldTtl.count()));
  if (cheap_rows > 0) request.set_cancel_fee_per_seat(kCancelFee);
  request.set_seating_plan(SeatingPlan(rows, row, cheap_rows));
  (*request.mutable_prices())["A"] = 100'000;
  if (cheap_rows > 0) (*request.mutable_prices())["B"] = 60'000;
  seat::v1::Show show;
  grpc::ClientContext context;
  Prepare(context);
  ExpectOk(stubs_->seat->CreateShow(&context, request, &show));
  show_id_ = show.id();
  next_cheap_seat_ = show.capacity();
  capacity_ = show.capacity() - static_cast<uint32_t>(cheap_rows * row);
  next_seat_ = 1;
  queue::v1::Command open;
  open.mutable_configure()->set_show_id(show_id_);
  open.mutable_configure()->set_rate_per_s(100'000);
  open.mutable_configure()->set_active_cap(1'000'000);
  ExecuteAll<queue::v1::CommandBatch, queue::v1::OutcomeBatch>(*stubs_->queue, std::vector{open});
}

std::vector<std::string> World::Enter(const std::vector<std::string>& user_ids) {
  std::vector<queue::v1::Command> joins;
  for (const std::string& user_id : user_ids) {
    joins.emplace_back().mutable_join()->set_show_id(show_id_);
    joins.back().mutable_join()->set_user_id(user_id);
  }
  // Joining again returns the same place; a fresh queue admits as its rate allows.
  while (true) {
    const auto outcomes = ExecuteAll<queue::v1::CommandBatch, queue::v1::OutcomeBatch>(*stubs_->queue, joins);
    std::vector<std::string> tokens;
    for (const auto& outcome : outcomes) {
      CHECK(outcome.session().refusal().empty(), "{}", outcome.session().refusal());
      if (outcome.session().state() == queue::v1::ACTIVE) tokens.push_back(outcome.session().token());
    }
    if (tokens.size() == user_ids.size()) return tokens;
    std::this_thread::sleep_for(kPoll);
  }
}

void World::TopUp(const std::vector<std::string>& user_ids) {
  std::vector<wallet::v1::Command> commands;
  for (const std::string& user_id : user_ids) {
    auto& top_up = *commands.emplace_back().mutable_top_up();
    top_up.set_client_key("first");
    top_up.set_user_id(user_id);
    top_up.mutable_money()->set_amount(kTopUp);
    top_up.mutable_money()->set_currency("KRW");
  }
  if (commands.empty()) return;
  ExecuteAll<wallet::v1::CommandBatch, wallet::v1::OutcomeBatch>(*stubs_->wallet, commands);
}

std::vector<reservation::v1::Outcome> World::Execute(const std::vector<reservation::v1::Command>& commands) {
  if (commands.empty()) return {};
  return ExecuteAll<reservation::v1::CommandBatch, reservation::v1::OutcomeBatch>(*stubs_->reservation,
                                                                                  commands);
}

std::vector<reservation::v1::Outcome> World::Try(const std::vector<reservation::v1::Command>& commands) {
  return ExecuteAll<reservation::v1::CommandBatch, reservation::v1::OutcomeBatch>(*stubs_->reservation,
                                                                                  commands,
                                                                                  /*may_fail=*/true);
}

std::vector<uint32_t> World::NextSeats() {
  CHECK(next_seat_ + 1 <= capacity_, "more cases than seats");
  const std::vector<uint32_t> seats{next_seat_, next_seat_ + 1};
  next_seat_ += 2;
  return seats;
}

uint32_t World::NextCheapSeat() {
  CHECK(next_cheap_seat_ > capacity_, "more cases than cheap seats");
  return next_cheap_seat_--;
}

bool World::AwaitQuiet(milliseconds limit) {
  const auto end = SteadyClock::now() + limit;
  while (SteadyClock::now() < end) {
    reservation::v1::ListSagasRequest request;
    request.set_limit(1);
    reservation::v1::ListReservationsResponse unfinished;
    grpc::ClientContext context;
    Prepare(context);
    ExpectOk(stubs_->reservation->ListSagas(&context, request, &unfinished));
    if (unfinished.reservations().empty()) return true;
    std::this_thread::sleep_for(kPoll);
  }
  return false;
}

bool World::AwaitAll(const std::vector<std::string>& ids,
                     const std::function<bool(const reservation::v1::Reservation&)>& done,
                     milliseconds limit) {
  const auto end = SteadyClock::now() + limit;
  for (const std::string& id : ids) {
    while (!done(Get(id))) {
      if (SteadyClock::now() > end) return false;
      std::this_thread::sleep_for(kPoll);
    }
  }
  return true;
}

reservation::v1::Reservation World::Get(const std::string& id) {
  reservation::v1::GetReservationRequest request;
  request.set_id(id);
  reservation::v1::Reservation reservation;
  grpc::ClientContext context;
  Prepare(context);
  ExpectOk(stubs_->reservation->GetReservation(&context, request, &reservation));
  return reservation;
}

std::optional<reservation::v1::ShowCancellation> World::CancellationOf(int64_t show_id) {
  reservation::v1::GetShowCancellationRequest request;
  request.set_show_id(show_id);
  reservation::v1::ShowCancellation cancellation;
  grpc::ClientContext context;
  Prepare(context);
  const grpc::Status status = stubs_->reservation->GetShowCancellation(&context, request, &cancellation);
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) return std::nullopt;
  ExpectOk(status);
  return cancellation;
}

void World::ResolveSaga(const std::string& id, const std::string& action) {
  reservation::v1::ResolveSagaRequest request;
  request.set_reservation_id(id);
  request.set_action(action);
  request.set_reason("test");
  request.set_operator_id("root");
  reservation::v1::Reservation resolved;
  grpc::ClientContext context;
  Prepare(context);
  ExpectOk(stubs_->reservation->ResolveSaga(&context, request, &resolved));
}

World::WebhookAnswer World::ReceiveWebhook(const payment::v1::ReceiveWebhookRequest& request) {
  payment::v1::ReceiveWebhookResponse response;
  grpc::ClientContext context;
  Prepare(context);
  const grpc::Status status = stubs_->payment->ReceiveWebhook(&context, request, &response);
  return status.ok() ? WebhookAnswer{"", response.effect()}
                     : WebhookAnswer{rpc::FromStatus(status).reason, ""};
}

std::vector<payment::v1::Payment> World::PaymentsOf(const std::string& reservation_id) {
  payment::v1::ListPaymentsRequest request;
  request.set_reservation_id(reservation_id);
  payment::v1::ListPaymentsResponse response;
  grpc::ClientContext context;
  Prepare(context);
  ExpectOk(stubs_->payment->ListPayments(&context, request, &response));
  return {response.payments().begin(), response.payments().end()};
}

int64_t World::BalanceOf(const std::string& user_id) {
  wallet::v1::GetWalletRequest request;
  request.set_user_id(user_id);
  wallet::v1::Wallet wallet;
  grpc::ClientContext context;
  Prepare(context);
  ExpectOk(stubs_->wallet->GetWallet(&context, request, &wallet));
  return wallet.balances().empty() ? 0 : wallet.balances(0).amount();
}

std::map<uint32_t, SeatOwner> World::Owners() {
  std::map<uint32_t, SeatOwner> owners;
  seat::v1::AuditRequest request;
  request.set_show_id(show_id_);
  request.set_limit(1'000);
  while (true) {
    seat::v1::AuditResponse page;
    grpc::ClientContext context;
    Prepare(context);
    ExpectOk(stubs_->seat->Audit(&context, request, &page));
    for (const auto& row : page.rows()) {
      if (!row.sold() && row.hold_expires_at_ms() <= ToUnixMs(clock_.Now())) continue;
      owners[row.seat_no()] = {*ReservationId::FromBytes(row.reservation_id()), row.sold()};
      request.set_after_seat_no(row.seat_no());
    }
    if (!page.more()) return owners;
  }
}

std::vector<std::string> World::Unhealthy() const {
  std::vector<std::string> ill;
  for (const module::Health& health : graph_.CheckHealth()) {
    if (!health.problem.empty()) ill.push_back(health.module);
  }
  return ill;
}

audit::Verdict World::Audit() {
  auto verdict = audit_->RunNow();
  CHECK(verdict.has_value(), "{}", verdict.error().detail);
  return *std::move(verdict);
}

}  // namespace boxoffice::faults
