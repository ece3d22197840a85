#include <fstream>
#include <memory>
#include <sstream>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "boxoffice/commands.h"
#include "boxoffice/operator_commands.h"
#include "boxoffice/rest_command.h"
#include "platform/http/url.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;

struct PaymentOptions {
  std::string reservation;
  std::string file;
  std::string provider;
  std::string from;
  std::string until;
  uint32_t attempt = 0;
  std::string reason;
  bool refused = false;
  bool provider_gone = false;
};

std::string PathOf(const PaymentOptions& payment) {
  return fmt::format("/v1/admin/reservations/{}/payments", http::PercentEncode(payment.reservation));
}

// A refusal may be of a part alone: a table shows all of a payment in one place.
json::object WithRefusals(json::object list) {
  for (json::value& payment : list.at("items").as_array()) {
    std::string refusals = TextOf(payment, "refusal");
    for (const json::value& refund : payment.at("refunds").as_array()) {
      const std::string refusal = TextOf(refund, "refusal");
      if (refusal.empty()) continue;
      refusals += fmt::format("{}{} {}", refusals.empty() ? "" : ", ", TextOf(refund, "amount"), refusal);
    }
    payment.as_object()["refusals"] = refusals;
  }
  return list;
}

void PrintPayments(const RestOptions& options, json::object list) {
  if (!options.json) list = WithRefusals(std::move(list));
  PrintList(options, list,
            {"ATTEMPT=attempt", "STATE=state", "RESOLUTION=resolution", "AMOUNT=amount", "REFUNDED=refunded",
             "CURRENCY=currency", "METHOD=method", "CODE=provider_code", "REFERENCE=provider_reference",
             "LATE=captured_late", "REFUSED=refusals", "UPDATED=updated_at"});
}

void List(const RestOptions& options, const PaymentOptions& payment) {
  PrintPayments(options, Ask(options, "GET", PathOf(payment)).as_object());
}

void ListUnsettled(const RestOptions& options, const PaymentOptions& payment) {
  const char* const status = payment.refused ? "refused" : "unsettled";
  json::object list = AskAll(options, fmt::format("/v1/admin/payments?status={}", status));
  if (!options.json) list = WithRefusals(std::move(list));
  PrintList(options, list,
            {"RESERVATION=reservation_id", "ATTEMPT=attempt", "USER=user_id", "STATE=state", "AMOUNT=amount",
             "CURRENCY=currency", "METHOD=method", "REFERENCE=provider_reference", "REFUSED=refusals",
             "UPDATED=updated_at"});
}

void SettleOutside(const RestOptions& options, const PaymentOptions& payment) {
  const std::string path = fmt::format("{}/{}/settle-outside", PathOf(payment), payment.attempt);
  json::object body{{"reason", payment.reason}};
  if (payment.provider_gone) body["provider_gone"] = true;
  PrintPayments(options, Ask(options, "POST", path, json::serialize(body)).as_object());
}

// One difference with its money in one place each: what a table shows of it.
json::object Flat(const json::value& difference) {
  json::object flat = difference.as_object();
  for (const char* side : {"ours", "theirs"}) {
    const json::value& money = difference.at(side);
    flat[side] = money.is_null() ? std::string()
                                 : fmt::format("{} {}", TextOf(money, "amount"), TextOf(money, "currency"));
  }
  return flat;
}

void PrintReport(const RestOptions& options, const json::value& report) {
  if (options.json) {
    PrintObject(options, report, {});
    return;
  }
  PrintObject(options, report, {"lines", "matched", "difference_count"});
  fmt::print("\n");
  PrintRows(options, report.at("totals"),
            {"OPERATION=operation", "CURRENCY=currency", "OURS=ours", "THEIRS=theirs"});
  json::array rows;
  for (const json::value& difference : report.at("differences").as_array()) rows.push_back(Flat(difference));
  if (rows.empty()) return;
  fmt::print("\n");
  PrintRows(options, std::move(rows),
            {"LINE=line", "DIFFERENCE=kind", "OPERATION=operation", "KEY=key", "OURS=ours", "THEIRS=theirs",
             "DETAIL=detail"});
}

void Reconcile(RestOptions options, const PaymentOptions& payment) {
  options.limit = kSettlementLimit;
  std::ifstream file(payment.file, std::ios::binary);
  std::stringstream csv;
  csv << file.rdbuf();
  if (!file.good() || csv.view().empty()) {
    ExitCant({Code::kInvalidArgument, "file_unreadable",
              fmt::format("can't read {}, or it is empty", payment.file)});
  }
  std::string path = "/v1/admin/settlements?provider=" + http::PercentEncode(payment.provider);
  if (!payment.from.empty()) path += "&from=" + http::PercentEncode(payment.from);
  if (!payment.until.empty()) path += "&until=" + http::PercentEncode(payment.until);
  const http::ClientResponse response = Fetch(options, "POST", path, csv.str(), std::nullopt, "text/csv");
  boost::system::error_code error;
  const json::value report = json::parse(response.body, error);
  if (error || !report.is_object() || !report.as_object().contains("difference_count")) {
    ExitCant({Code::kUnknown, "answer_malformed", "the answer is no report: is this a Boxoffice?"});
  }
  PrintReport(options, report);
  if (TextOf(report, "difference_count") != "0") Exit(kExitNo);
}

}  // namespace

void AddPaymentCommands(CLI::App& app) {
  CLI::App* group = app.add_subcommand("payment", "Payments: list, unsettled, reconcile, settle-outside");
  group->require_subcommand(1);
  const auto payment = std::make_shared<PaymentOptions>();
  AddRestCommand(*group, "list", "A reservation's payments, by attempt",
                 [payment](const RestOptions& options) { List(options, *payment); })
      ->add_option("RESERVATION", payment->reservation, "The reservation's id")
      ->required();
  AddRestCommand(*group, "unsettled", "Payments that are not settled, of all reservations",
                 [payment](const RestOptions& options) { ListUnsettled(options, *payment); })
      ->add_flag("--refused", payment->refused,
                 "Those alone that the provider refuses to give back, as a whole or in part");
  CLI::App* reconcile =
      AddRestCommand(*group, "reconcile",
                     "Compare a provider's settlement file with our payments, minutes where there are "
                     "millions; exit code 1 if they differ",
                     [payment](const RestOptions& options) { Reconcile(options, *payment); });
  reconcile->add_option("FILE", payment->file, "CSV with the columns operation, key, amount and currency")
      ->required();
  reconcile->add_option("--provider", payment->provider, "Whose file it is, like http")->required();
  reconcile->add_option("--from", payment->from,
                        "The period that the file is of: from, like 2026-11-22T00:00:00Z");
  reconcile->add_option("--until", payment->until, "Until, not included");
  CLI::App* settle = AddRestCommand(
      *group, "settle-outside",
      "Say that what the provider refuses to give back is settled outside of it; it is asked once more first",
      [payment](const RestOptions& options) { SettleOutside(options, *payment); });
  settle->add_option("RESERVATION", payment->reservation, "The reservation's id")->required();
  settle->add_option("ATTEMPT", payment->attempt, "Which of its payments")->required();
  settle->add_option("--reason", payment->reason, "Why; recorded with the payment")->required();
  settle->add_flag("--provider-gone", payment->provider_gone,
                   "The provider will never answer again: it is not asked");
}

}  // namespace boxoffice::cli
