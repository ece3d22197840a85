#include "platform/module/serve.h"
#include "services/ranking/module.h"

int main(int argc, char** argv) {
  return boxoffice::module::ServeMain(argc, argv, "ranking", [](const auto& runtime) {
    return std::make_unique<boxoffice::ranking::RankingModule>(runtime, boxoffice::ranking::RankingConfig{});
  });
}
