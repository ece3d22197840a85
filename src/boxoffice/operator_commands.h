// What operators do to a running system from the command line: each function adds one subcommand with its own
// subcommands, all over the public REST interface. Exit codes: 0 done; 1 the system refused it, with its code
// on stderr (with --json, the problem on stdout); 2 called the wrong way, not an operator, or the system
// can't be reached.
#pragma once

#include <CLI/App.hpp>

namespace boxoffice::cli {

void AddConcertCommands(CLI::App& app);  // list, get, create
void AddShowCommands(
    CLI::App& app);  // list, get, create (imports a plan), set, publish, cancel, cancellation
void AddShowCancelCommands(CLI::App& group);  // the last two
void AddWaitlistCommands(CLI::App& app);      // list, join, show, leave, mine
void AddSeatsCommands(CLI::App& app);  // list, block, release, blocks, price, prices, channel, open, channels
void AddQueueCommands(CLI::App& app);  // list, get, set, pause, resume, close
void AddReservationCommands(CLI::App& app);  // list, get, cancel, move
void AddSagaCommands(CLI::App& app);         // list, show, retry, undo, park
void AddWalletCommands(
    CLI::App& app);  // get, entries, statement, adjust, reverse, freeze, unfreeze, close, export
void AddPaymentCommands(CLI::App& app);  // list, reconcile
void AddRelayCommands(CLI::App& app);    // list, add, set, rotate, test, delete, deliveries, delivery, replay
void AddRankingCommands(CLI::App& app);  // show, status, rebuild
// All of them.
void AddOperatorCommands(CLI::App& app);

}  // namespace boxoffice::cli
