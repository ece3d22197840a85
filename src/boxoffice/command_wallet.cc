#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "boxoffice/commands.h"
#include "boxoffice/operator_commands.h"
#include "boxoffice/rest_command.h"
#include "platform/http/url.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;

struct WalletOptions {
  std::string user;
  std::string currency;
  std::string from;
  std::string until;
  int64_t amount = 0;
  std::string reason;
  std::string entry;
  std::string key;
  std::string out;
  bool yes = false;
};

std::string PathOf(const WalletOptions& wallet, std::string_view what = {}) {
  return fmt::format("/v1/admin/wallets/{}{}", http::PercentEncode(wallet.user), what);
}

// "?currency=KRW&from=…", of what is given.
std::string QueryOf(const WalletOptions& wallet) {
  std::string query;
  const std::pair<const char*, const std::string*> parts[] = {
      {"currency", &wallet.currency}, {"from", &wallet.from}, {"until", &wallet.until}};
  for (const auto& [name, value] : parts) {
    if (value->empty()) continue;
    query += fmt::format("{}{}={}", query.empty() ? '?' : '&', name, http::PercentEncode(*value));
  }
  return query;
}

std::optional<std::string> KeyOf(const WalletOptions& wallet) {
  return wallet.key.empty() ? std::nullopt : std::optional(wallet.key);
}

void PrintWallet(const RestOptions& options, const json::value& wallet) {
  PrintObject(options, wallet, {"user_id", "state", "state_reason", "state_operator_id", "state_changed_at"});
  if (options.json) return;
  fmt::print("\n");
  PrintRows(options, wallet.at("balances"), {"CURRENCY=currency", "BALANCE=amount"});
}

void PrintStatement(const RestOptions& options, const json::value& statement) {
  PrintObject(options, statement,
              {"user_id", "currency", "from", "until", "opening_balance", "closing_balance"});
  if (options.json) return;
  fmt::print("\n");
  PrintRows(options, statement.at("sums"), {"KIND=kind", "ENTRIES=entries", "AMOUNT=amount"});
}

// The fields of a line of our own CSV up to the currency, none of which is ever quoted but the account.
std::vector<std::string> FieldsOf(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back().push_back(c);
    }
  }
  return fields;
}

void AddAmount(const std::string& text, int64_t& sum) {
  const auto amount = ParseNumber<int64_t>(text);
  if (!amount) ExitCant({Code::kUnknown, "answer_malformed", "an amount of the export is no number"});
  sum += *amount;
}

// Sums the amounts of one page by currency; a quoted field may go over several lines.
void AddUp(std::string_view page, std::map<std::string, int64_t>& sums) {
  constexpr size_t kAmount = 4, kCurrency = 5;
  while (!page.empty()) {
    size_t end = 0;
    for (bool quoted = false; end < page.size() && (quoted || page[end] != '\n'); ++end) {
      if (page[end] == '"') quoted = !quoted;
    }
    const std::vector<std::string> fields = FieldsOf(page.substr(0, end));
    page.remove_prefix(std::min(end + 1, page.size()));
    if (fields.size() > kCurrency) AddAmount(fields[kAmount], sums[fields[kCurrency]]);
  }
}

using Sums = std::map<std::string, int64_t>;  // by currency

// Page by page.
Sums WriteLedger(const RestOptions& options, std::ostream& out) {
  Sums sums;
  std::string cursor;
  do {
    const std::string path =
        cursor.empty() ? "/v1/admin/ledger?limit=200" : "/v1/admin/ledger?limit=200&cursor=" + cursor;
    const http::ClientResponse page = Fetch(options, "GET", path);
    const size_t header = page.body.find('\n');
    if (header == std::string::npos) {
      ExitCant({Code::kUnknown, "answer_malformed", "the answer is no CSV: is this a Boxoffice?"});
    }
    const std::string_view lines = std::string_view(page.body).substr(header + 1);
    if (cursor.empty()) out << page.body.substr(0, header + 1);
    out << lines;
    AddUp(lines, sums);
    cursor = std::string(page.header("X-Next-Cursor").value_or(""));
  } while (!cursor.empty());
  out.flush();
  if (!out) ExitCant({Code::kUnavailable, "file_unwritable", "the export could not be written whole"});
  return sums;
}

// A file is there whole or as it was.
Sums WriteLedgerTo(const RestOptions& options, const std::string& file) {
  const std::string part = file + ".part";
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  if (!out) ExitCant({Code::kInvalidArgument, "file_unwritable", fmt::format("can't write {}", part)});
  std::error_code error;
  Sums sums;
  try {
    sums = WriteLedger(options, out);
  } catch (...) {  // whatever ends it: half an export is none
    std::filesystem::remove(part, error);
    throw;
  }
  out.close();
  std::filesystem::rename(part, file, error);
  if (error) {
    std::error_code ignored;
    std::filesystem::remove(part, ignored);
    ExitCant({Code::kInvalidArgument, "file_unwritable",
              fmt::format("can't write {}: {}", file, error.message())});
  }
  return sums;
}

// Into the file, or onto stdout; the sums, which must be zero, onto stderr, or as JSON onto stdout.
void Export(const RestOptions& options, const WalletOptions& wallet) {
  if (options.json && wallet.out.empty()) {
    ExitCant(
        {Code::kInvalidArgument, "usage", "the ledger is CSV: give --out FILE for --json to say its sums"});
  }
  const Sums sums = wallet.out.empty() ? WriteLedger(options, std::cout) : WriteLedgerTo(options, wallet.out);
  if (options.json) {
    fmt::print("{}\n", json::serialize(json::object{{"sums", json::value_from(sums)}}));
  } else {
    for (const auto& [currency, sum] : sums) fmt::print(stderr, "{} sums to {}\n", currency, sum);
  }
  if (std::ranges::any_of(sums, [](const auto& sum) { return sum.second != 0; })) Exit(kExitNo);
}

void Adjust(const RestOptions& options, const WalletOptions& wallet) {
  const json::object body{
      {"amount", wallet.amount}, {"currency", wallet.currency}, {"reason", wallet.reason}};
  PrintObject(options,
              Ask(options, "POST", PathOf(wallet, "/adjustments"), json::serialize(body), KeyOf(wallet)),
              {"entry_id", "amount", "currency", "balance"});
}

void Reverse(const RestOptions& options, const WalletOptions& wallet) {
  const json::object body{{"entry_id", wallet.entry}, {"reason", wallet.reason}};
  PrintObject(options,
              Ask(options, "POST", PathOf(wallet, "/reversals"), json::serialize(body), KeyOf(wallet)),
              {"entry_id", "currency", "balance"});
}

void AddPeriod(CLI::App& command, WalletOptions& wallet) {
  command.add_option("--from", wallet.from, "At or after it, like 2026-11-22T10:00:00Z");
  command.add_option("--until", wallet.until, "Before it");
}

void AddQueries(CLI::App& group, const std::shared_ptr<WalletOptions>& wallet) {
  AddRestCommand(
      group, "get", "A user's balances and the wallet's state",
      [wallet](const RestOptions& options) { PrintWallet(options, Ask(options, "GET", PathOf(*wallet))); })
      ->add_option("USER", wallet->user, "The user")
      ->required();
  CLI::App* entries = AddRestCommand(
      group, "entries", "How a user's balance moved, newest first", [wallet](const RestOptions& options) {
        PrintList(options, AskAll(options, PathOf(*wallet, "/entries") + QueryOf(*wallet)),
                  {"AT=created_at", "KIND=kind", "AMOUNT=amount", "CURRENCY=currency",
                   "BALANCE=balance_after", "ENTRY=id", "BY=operator_id", "REASON=reason"});
      });
  entries->add_option("USER", wallet->user, "The user")->required();
  entries->add_option("--currency", wallet->currency, "Of one currency only, like KRW");
  AddPeriod(*entries, *wallet);
  CLI::App* statement = AddRestCommand(
      group, "statement", "How a balance went through a period", [wallet](const RestOptions& options) {
        PrintStatement(options, Ask(options, "GET", PathOf(*wallet, "/statement") + QueryOf(*wallet)));
      });
  statement->add_option("USER", wallet->user, "The user")->required();
  statement->add_option("--currency", wallet->currency, "Like KRW")->required();
  AddPeriod(*statement, *wallet);
  AddRestCommand(group, "export",
                 "The whole ledger as CSV, and its sums, which are zero; exit code 1 if they are not",
                 [wallet](const RestOptions& options) { Export(options, *wallet); })
      ->add_option("--out", wallet->out, "The file; left out: stdout");
}

}  // namespace

void AddWalletCommands(CLI::App& app) {
  CLI::App* group = app.add_subcommand(
      "wallet",
      "Prepaid balances: get, entries, statement, adjust, reverse, freeze, unfreeze, close, export");
  group->require_subcommand(1);
  const auto wallet = std::make_shared<WalletOptions>();
  AddQueries(*group, wallet);
  CLI::App* adjust = AddRestCommand(*group, "adjust", "Correct a balance",
                                    [wallet](const RestOptions& options) { Adjust(options, *wallet); });
  adjust->add_option("USER", wallet->user, "The user")->required();
  adjust->add_option("--amount", wallet->amount, "Minor units; a negative amount is taken")->required();
  adjust->add_option("--currency", wallet->currency, "Like KRW")->required();
  CLI::App* reverse = AddRestCommand(*group, "reverse", "Take a charge back whose money never came",
                                     [wallet](const RestOptions& options) { Reverse(options, *wallet); });
  reverse->add_option("USER", wallet->user, "The user")->required();
  reverse->add_option("ENTRY", wallet->entry, "The charge's entry")->required();
  for (CLI::App* command : {adjust, reverse}) {
    command->add_option("--reason", wallet->reason, "Why; recorded with the entry")->required();
    command->add_option("--key", wallet->key,
                        "The same for a repeat of the same request; left out: a new one");
  }
  struct Change {
    const char* name;
    const char* description;
  };
  for (const Change& change : {Change{"freeze", "No more charges and purchases of a user"},
                               Change{"unfreeze", "Let a frozen user charge and buy again"},
                               Change{"close", "Close an empty wallet for ever"}}) {
    const bool is_final = std::string_view(change.name) == "close";
    CLI::App* command = AddRestCommand(
        *group, change.name, change.description, [wallet, change, is_final](const RestOptions& options) {
          if (is_final) Confirm(wallet->yes, "Closing the wallet of " + wallet->user);
          const json::object body{{"reason", wallet->reason}};
          PrintWallet(options, Ask(options, "POST", PathOf(*wallet, fmt::format("/{}", change.name)),
                                   json::serialize(body)));
        });
    command->add_option("USER", wallet->user, "The user")->required();
    command->add_option("--reason", wallet->reason, "Why; recorded with the wallet")->required();
    if (is_final) command->add_flag("--yes", wallet->yes, "Don't ask");
  }
}

}  // namespace boxoffice::cli
