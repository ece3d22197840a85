// A service as a program of its own: what its main, and `boxoffice serve SERVICE`, give to ServeMain.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/config/keys.h"
#include "platform/module/service_module.h"
#include "platform/module/store_rows.h"

namespace boxoffice::module {

struct ServiceProgram {
  std::string service;
  // Where it listens if it is not told; empty: at its socket in the data folder.
  std::string listen;
  std::vector<std::string> peers;   // the services that it calls
  std::vector<std::string> topics;  // those that it publishes to
  // Those that it consumes, as the group that has its name.
  std::vector<std::string> consumed_topics;
  // Adds the service's own keys. They are bound to what `make` makes the module of.
  std::function<void(config::Keys&)> add_keys;
  // Opens the store and brings its schema up to date; empty: it has none. Errors: store_url, and the store's.
  std::function<Result<void>(std::string_view store_url)> migrate;
  // What its store holds, to be moved to another.
  StoreRows rows;
  // The module as configured. Error: config, where keys contradict each other.
  std::function<Result<std::unique_ptr<Module>>(const Runtime&)> make;
};

}  // namespace boxoffice::module
