#include "platform/module/serve.h"
#include "services/relay/module.h"

int main(int argc, char** argv) {
  return boxoffice::module::ServeMain(argc, argv, "relay", [](const auto& runtime) {
    return std::make_unique<boxoffice::relay::RelayModule>(runtime, boxoffice::relay::RelayConfig{});
  });
}
