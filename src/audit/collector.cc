#include "audit/collector.h"

#include <algorithm>
#include <exception>

#include <boost/asio/co_spawn.hpp>

namespace boxoffice::audit {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;

constexpr seconds kTimeout{10};
// Of the sums over the whole ledger: longer than the wallet service itself waits for them.
constexpr std::chrono::minutes kSumsTimeout{21};
// A reservation carries its timeline: 500 of them stay well below gRPC's 4 MiB.
constexpr uint32_t kReservationPage = 500;

std::unexpected<Error> Malformed(const char* what) { return Fail(Code::kInternal, "answer_malformed", what); }

std::optional<State> ToState(reservation::v1::ReservationState state) {
  switch (state) {
    case reservation::v1::HELD:
      return State::kHeld;
    case reservation::v1::CONFIRMING:
      return State::kConfirming;
    case reservation::v1::CONFIRMED:
      return State::kConfirmed;
    case reservation::v1::COMPENSATING:
      return State::kCompensating;
    case reservation::v1::FAILED:
      return State::kFailed;
    case reservation::v1::CANCELLING:
      return State::kCancelling;
    case reservation::v1::CANCELLED:
      return State::kCancelled;
    case reservation::v1::EXPIRED:
      return State::kExpired;
    case reservation::v1::RELEASED:
      return State::kReleased;
    default:
      return std::nullopt;
  }
}

Result<std::pair<ReservationId, ReservationFact>> ToFact(reservation::v1::Reservation&& row) {
  const auto id = ReservationId::FromBytes(row.id());
  const auto state = ToState(row.state());
  if (!id || !state) return Malformed("a reservation's id or state");
  ReservationFact fact;
  fact.user_id = std::move(*row.mutable_user_id());
  fact.show_id = row.show_id();
  fact.seats.reserve(static_cast<size_t>(row.seats_size()));
  for (const auto& seat : row.seats()) fact.seats.push_back({seat.seat_no(), seat.price()});
  fact.amount = row.amount();
  fact.fees = row.fees();
  fact.currency = std::move(*row.mutable_currency());
  fact.state = *state;
  fact.hold_expires_at = FromUnixMs(row.hold_expires_at_ms());
  const auto& saga = row.saga();
  fact.saga_status = saga.status() == "done"     ? SagaStatus::kDone
                     : saga.status() == "parked" ? SagaStatus::kParked
                                                 : SagaStatus::kRunning;
  fact.saga_kind = saga.kind();
  fact.saga_started_at = FromUnixMs(saga.started_at_ms());
  fact.saga_deadline = FromUnixMs(saga.deadline_ms());
  fact.epoch = saga.epoch();
  fact.version = row.version();
  fact.created_at = FromUnixMs(row.created_at_ms());
  fact.updated_at = FromUnixMs(row.updated_at_ms());
  return std::pair(*id, std::move(fact));
}

Result<std::pair<ReservationId, DebitFact>> ToFact(wallet::v1::AuditResponse::Row&& row) {
  const auto id = ReservationId::FromBytes(row.reservation_id());
  if (!id) return Malformed("a debit's reservation_id");
  return std::pair(*id, DebitFact{std::move(*row.mutable_user_id()), std::move(*row.mutable_currency()),
                                  row.debited(), row.refunded(), row.effective_debits()});
}

std::optional<PaymentState> ToState(payment::v1::PaymentState state) {
  switch (state) {
    case payment::v1::PENDING:
      return PaymentState::kPending;
    case payment::v1::APPROVED:
      return PaymentState::kApproved;
    case payment::v1::DECLINED:
      return PaymentState::kDeclined;
    case payment::v1::CANCELLED:
      return PaymentState::kCancelled;
    default:
      return std::nullopt;
  }
}

Result<std::pair<ReservationId, PaymentFact>> ToFact(payment::v1::Payment&& row) {
  const auto id = ReservationId::FromBytes(row.reservation_id());
  const auto state = ToState(row.state());
  if (!id || !state) return Malformed("a payment's reservation_id or state");
  return std::pair(*id, PaymentFact{row.attempt(), *state, std::move(*row.mutable_user_id()),
                                    row.money().amount(), row.money().currency(),
                                    std::move(*row.mutable_resolution()), row.refunded(), row.refunding()});
}

template <typename Fact, typename Rows>
Result<Collector::Page<Fact>> ToPage(Rows& rows, bool more) {
  Collector::Page<Fact> page{{}, more};
  page.rows.reserve(static_cast<size_t>(rows.size()));
  for (auto& row : rows) {
    auto fact = ToFact(std::move(row));
    if (!fact) return std::unexpected(std::move(fact).error());
    if (!page.rows.empty() && fact->first < page.rows.back().first) return Malformed("rows out of order");
    page.rows.push_back(*std::move(fact));
  }
  if (more && page.rows.empty()) return Malformed("an empty page with more behind it");
  return page;
}

template <typename Fact>
std::vector<Fact> WithoutIds(Collector::Page<Fact> page) {
  std::vector<Fact> facts;
  for (auto& [id, fact] : page.rows) facts.push_back(std::move(fact));
  return facts;
}

std::optional<PlaceState> ToState(reservation::v1::WaitlistState state) {
  switch (state) {
    case reservation::v1::WAITLIST_WAITING:
      return PlaceState::kWaiting;
    case reservation::v1::WAITLIST_OFFERED:
      return PlaceState::kOffered;
    case reservation::v1::WAITLIST_ACCEPTED:
      return PlaceState::kAccepted;
    case reservation::v1::WAITLIST_LAPSED:
      return PlaceState::kLapsed;
    case reservation::v1::WAITLIST_LEFT:
      return PlaceState::kLeft;
    default:
      return std::nullopt;
  }
}

ShowFact ToFact(const seat::v1::Show& show) {
  ShowFact fact;
  fact.show_id = show.id();
  fact.capacity = show.capacity();
  fact.free = show.free();
  fact.held = show.held();
  fact.sold = show.sold();
  fact.blocked = show.blocked();
  fact.highest_seat_limit = show.highest_seat_limit();
  fact.cancelled = show.state() == seat::v1::CANCELLED;
  fact.keeps_seats =
      show.waitlist_first() && (show.state() == seat::v1::ON_SALE || show.state() == seat::v1::SOLD_OUT);
  return fact;
}

}  // namespace

Collector::Collector(const rpc::ChannelFactory& channels)
    : reservation_(reservation::v1::ReservationService::NewStub(channels("reservation"))),
      wallet_(wallet::v1::WalletService::NewStub(channels("wallet"))),
      payment_(payment::v1::PaymentService::NewStub(channels("payment"))),
      seat_(seat::v1::SeatService::NewStub(channels("seat"))),
      queue_(queue::v1::QueueService::NewStub(channels("queue"))),
      ranking_(ranking::v1::RankingService::NewStub(channels("ranking"))) {}

void Collector::Cancel() {
  cancelled_ = true;
  long_calls_.Cancel();
}

template <typename Response, typename Request, typename Start>
Result<Response> Collector::Ask(const char* service, Request request, Start start) {
  rpc::OpenCalls calls;
  return Ask<Response>(service, std::move(request), std::move(start), kTimeout, calls);
}

template <typename Response, typename Request, typename Start>
Result<Response> Collector::Ask(const char* service, Request request, Start start,
                                std::chrono::milliseconds timeout, rpc::OpenCalls& calls) {
  Result<Response> answer = Fail(Code::kInternal, "no_answer");
  io_.restart();
  asio::co_spawn(io_, rpc::Call<Response>(io_.get_executor(), calls, std::move(request), timeout, start),
                 [&answer](const std::exception_ptr& failed, Result<Response> result) {
                   if (failed) std::rethrow_exception(failed);
                   answer = std::move(result);
                 });
  io_.run();
  if (!answer) {
    Error error = std::move(answer).error();
    error.detail = std::string(service) + ": " + error.detail;
    return std::unexpected(std::move(error));
  }
  return answer;
}

Result<Collector::Page<ReservationFact>> Collector::Reservations(ReservationId after) {
  reservation::v1::AuditRequest request;
  if (!after.IsNil()) request.set_after_id(std::string(after.bytes()));
  request.set_limit(kReservationPage);
  BOXOFFICE_ASSIGN(auto response, Ask<reservation::v1::ListReservationsResponse>(
                                      "reservation", std::move(request),
                                      [this](auto... a) { reservation_->async()->Audit(a...); }));
  return ToPage<ReservationFact>(*response.mutable_reservations(), response.more());
}

Result<std::optional<ReservationFact>> Collector::Reservation(ReservationId id) {
  reservation::v1::AuditRequest request;
  request.set_id(std::string(id.bytes()));
  BOXOFFICE_ASSIGN(auto response, Ask<reservation::v1::ListReservationsResponse>(
                                      "reservation", std::move(request),
                                      [this](auto... a) { reservation_->async()->Audit(a...); }));
  BOXOFFICE_ASSIGN(auto page, ToPage<ReservationFact>(*response.mutable_reservations(), false));
  if (page.rows.empty()) return std::nullopt;
  return std::move(page.rows.front().second);
}

Result<Collector::Page<DebitFact>> Collector::Debits(ReservationId after) {
  wallet::v1::AuditRequest request;
  if (!after.IsNil()) request.set_after_reservation_id(std::string(after.bytes()));
  request.set_limit(kPage);
  BOXOFFICE_ASSIGN(auto response,
                   Ask<wallet::v1::AuditResponse>("wallet", std::move(request),
                                                  [this](auto... a) { wallet_->async()->Audit(a...); }));
  return ToPage<DebitFact>(*response.mutable_rows(), response.more());
}

Result<std::vector<DebitFact>> Collector::DebitsOf(ReservationId id) {
  wallet::v1::AuditRequest request;
  request.set_reservation_id(std::string(id.bytes()));
  BOXOFFICE_ASSIGN(auto response,
                   Ask<wallet::v1::AuditResponse>("wallet", std::move(request),
                                                  [this](auto... a) { wallet_->async()->Audit(a...); }));
  BOXOFFICE_ASSIGN(auto page, ToPage<DebitFact>(*response.mutable_rows(), false));
  return WithoutIds(std::move(page));
}

Result<Collector::Page<PaymentFact>> Collector::Payments(ReservationId after) {
  payment::v1::AuditRequest request;
  if (!after.IsNil()) request.set_after_reservation_id(std::string(after.bytes()));
  request.set_limit(kPage);
  BOXOFFICE_ASSIGN(auto response,
                   Ask<payment::v1::AuditResponse>("payment", std::move(request),
                                                   [this](auto... a) { payment_->async()->Audit(a...); }));
  return ToPage<PaymentFact>(*response.mutable_payments(), response.more());
}

Result<std::vector<PaymentFact>> Collector::PaymentsOf(ReservationId id) {
  payment::v1::AuditRequest request;
  request.set_reservation_id(std::string(id.bytes()));
  BOXOFFICE_ASSIGN(auto response,
                   Ask<payment::v1::AuditResponse>("payment", std::move(request),
                                                   [this](auto... a) { payment_->async()->Audit(a...); }));
  BOXOFFICE_ASSIGN(auto page, ToPage<PaymentFact>(*response.mutable_payments(), false));
  return WithoutIds(std::move(page));
}

Result<std::vector<int64_t>> Collector::Shows() {
  std::vector<int64_t> shows;
  seat::v1::ListConcertsRequest request;
  request.set_limit(200);
  while (true) {
    BOXOFFICE_ASSIGN(const auto response,
                     Ask<seat::v1::ListConcertsResponse>(
                         "seat", request, [this](auto... a) { seat_->async()->ListConcerts(a...); }));
    for (const auto& concert : response.concerts()) {
      for (const auto& show : concert.shows()) shows.push_back(show.id());
    }
    if (!response.more() || response.concerts().empty()) break;
    request.set_after_id(response.concerts().rbegin()->id());
  }
  std::ranges::sort(shows);
  return shows;
}

Result<Collector::SeatPage> Collector::Seats(int64_t show_id, uint32_t after_seat_no, uint32_t limit) {
  seat::v1::AuditRequest request;
  request.set_show_id(show_id);
  request.set_after_seat_no(after_seat_no);
  request.set_limit(limit);
  BOXOFFICE_ASSIGN(auto response, Ask<seat::v1::AuditResponse>("seat", std::move(request), [this](auto... a) {
                     seat_->async()->Audit(a...);
                   }));
  SeatPage page;
  page.more = response.more();
  page.rows.reserve(static_cast<size_t>(response.rows_size()));
  for (auto& row : *response.mutable_rows()) {
    const auto owner = ReservationId::FromBytes(row.reservation_id());
    if (!owner) return Malformed("a seat's reservation_id");
    page.rows.push_back({{row.show_id(), row.seat_no(), row.sold(), *owner,
                          FromUnixMs(row.hold_expires_at_ms()), row.price(), UserHash(row.user_id())},
                         std::move(*row.mutable_user_id())});
  }
  for (const auto& show : response.shows()) {
    if (show.id() == show_id) page.show = ToFact(show);
  }
  if (page.more && page.rows.empty()) return Malformed("an empty page with more behind it");
  return page;
}

Result<Collector::PlacePage> Collector::Places(int64_t show_id, uint64_t after_place,
                                               const std::string& user_id, uint32_t limit) {
  reservation::v1::ListWaitlistRequest request;
  request.set_show_id(show_id);
  request.set_user_id(user_id);
  request.set_after_place(after_place);
  request.set_limit(limit);
  BOXOFFICE_ASSIGN(auto response, Ask<reservation::v1::ListWaitlistResponse>(
                                      "reservation", std::move(request),
                                      [this](auto... a) { reservation_->async()->ListWaitlist(a...); }));
  PlacePage page;
  page.more = response.more();
  page.rows.reserve(static_cast<size_t>(response.entries_size()));
  for (auto& entry : *response.mutable_entries()) {
    const bool offered = !entry.reservation_id().empty();
    const auto offer = offered ? ReservationId::FromBytes(entry.reservation_id()) : ReservationId();
    const auto state = ToState(entry.state());
    if (!offer || !state) return Malformed("a place's reservation_id or state");
    page.rows.push_back({{entry.show_id(), entry.place(), UserHash(entry.user_id()), *state,
                          FromUnixMs(entry.updated_at_ms())},
                         std::move(*entry.mutable_user_id()),
                         *offer});
  }
  if (page.more && page.rows.empty()) return Malformed("an empty page with more behind it");
  return page;
}

Result<bool> Collector::CancellationRuns(int64_t show_id) {
  reservation::v1::GetShowCancellationRequest request;
  request.set_show_id(show_id);
  const auto cancellation = Ask<reservation::v1::ShowCancellation>(
      "reservation", request, [this](auto... a) { reservation_->async()->GetShowCancellation(a...); });
  if (!cancellation && cancellation.error().reason == "show_not_cancelled") return false;
  if (!cancellation) return std::unexpected(cancellation.error());
  return cancellation->state() == "running";
}

Result<Facts> Collector::Ledgers() {
  const auto response = Ask<wallet::v1::GetTotalsResponse>(
      "wallet", wallet::v1::GetTotalsRequest(), [this](auto... a) { wallet_->async()->GetTotals(a...); },
      kSumsTimeout, long_calls_);
  if (!response && cancelled_) return Fail(Code::kUnavailable, "stopping");
  if (!response) return std::unexpected(response.error());
  Facts facts;
  for (const auto& total : response->totals()) {
    facts.ledgers.push_back({total.currency(), total.sum_of_all_accounts(), total.wallets_unequal_entries(),
                             total.wallets_negative()});
  }
  facts.bad_wallet_users.assign(response->bad_users().begin(), response->bad_users().end());
  return facts;
}

Result<std::vector<Collector::Queue>> Collector::Queues() {
  BOXOFFICE_ASSIGN(auto response, Ask<queue::v1::ListQueuesResponse>(
                                      "queue", queue::v1::ListQueuesRequest(),
                                      [this](auto... a) { queue_->async()->ListQueues(a...); }));
  std::vector<Queue> queues;
  for (const auto& queue : response.queues())
    queues.push_back({queue.show_id(), queue.active_cap(), queue.active()});
  return queues;
}

Result<Collector::RankingCounts> Collector::Ranking() {
  BOXOFFICE_ASSIGN(auto response,
                   Ask<ranking::v1::AuditResponse>("ranking", ranking::v1::AuditRequest(),
                                                   [this](auto... a) { ranking_->async()->Audit(a...); }));
  RankingCounts counts;
  counts.rebuilding = response.rebuilding();
  for (const auto& row : response.rows()) {
    counts.shows[row.show_id()] = {row.confirmed(), row.cancelled(), static_cast<int64_t>(row.seats_sold())};
  }
  return counts;
}

}  // namespace boxoffice::audit
