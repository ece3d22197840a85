#include "services/wallet/service.h"

#include <algorithm>
#include <variant>

#include "base/check.h"

namespace boxoffice::wallet {
namespace {

// Whether a command depends on a row that moved. A refund's wallet is known by its user only; one too many
// decided again does no harm.
bool Names(const Command& command, const Keys& moved) {
  const auto has = [](const auto& keys, const auto& key) {
    return std::binary_search(keys.begin(), keys.end(), key);
  };
  if (const auto* top_up = std::get_if<TopUp>(&command.body)) {
    return has(moved.wallets, WalletKey{top_up->user_id, top_up->money.currency}) ||
           has(moved.top_ups, TopUpKey{top_up->user_id, top_up->client_key});
  }
  if (const auto* debit = std::get_if<Debit>(&command.body)) {
    return has(moved.sagas, debit->saga) ||
           has(moved.wallets, WalletKey{debit->user_id, debit->money.currency});
  }
  const auto& refund = std::get<Refund>(command.body);
  return has(moved.sagas, refund.debit_saga) || std::ranges::any_of(moved.wallets, [&](const WalletKey& key) {
           return key.user_id == refund.user_id;
         });
}

}  // namespace

Service::Service(Store& store, const Clock& clock, Random& random, obs::Registry& metrics,
                 batch::Limits limits, std::function<void()> committed)
    : store_(store),
      clock_(clock),
      ids_(random),
      committed_(std::move(committed)),
      executor_(
          "wallet", limits, [this](std::span<const Command> commands) { return Run(commands); }, metrics) {}

Result<Service::Outcomes> Service::Run(std::span<const Command> commands) {
  auto outcomes = LoadDecideSave(commands);
  if (!outcomes) health_.Note(false);
  return outcomes;
}

Result<Service::Outcomes> Service::LoadDecideSave(std::span<const Command> commands) {
  const Timestamp now = clock_.Now();
  BOXOFFICE_ASSIGN(const Rows rows, store_.Load(KeysOf(commands)));
  Decision decision = Decide(rows, commands, now, ids_);
  Keys moved;
  if (!decision.changes.empty()) {
    BOXOFFICE_ASSIGN(moved, store_.Save(decision.changes));
    health_.Note(true);
  }
  if (moved.empty()) {
    if (!decision.changes.empty()) committed_();
    return Outcomes(std::make_move_iterator(decision.outcomes.begin()),
                    std::make_move_iterator(decision.outcomes.end()));
  }
  // Nothing was saved. Commands that name a row that moved go back to the queue; the others are decided
  // without them.
  std::vector<Command> others;
  std::vector<size_t> places;
  for (size_t i = 0; i < commands.size(); ++i) {
    if (Names(commands[i], moved)) continue;
    others.push_back(commands[i]);
    places.push_back(i);
  }
  CHECK(others.size() < commands.size(), "each row that moved is named by a command");
  Outcomes outcomes(commands.size());
  if (others.empty()) return outcomes;
  BOXOFFICE_ASSIGN(Outcomes decided, LoadDecideSave(others));
  for (size_t i = 0; i < places.size(); ++i) outcomes[places[i]] = std::move(decided[i]);
  return outcomes;
}

}  // namespace boxoffice::wallet
