// boxoffice-ranking: the ranking as a process of its own.
#include "platform/module/serve.h"
#include "services/ranking/module.h"

int main(int argc, char** argv) {
  return boxoffice::module::ServeMain(argc, argv, boxoffice::ranking::Program());
}
