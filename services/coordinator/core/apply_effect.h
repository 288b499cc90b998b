// What applying a definition did.
#ifndef SERVICES_COORDINATOR_CORE_APPLY_EFFECT_H_
#define SERVICES_COORDINATOR_CORE_APPLY_EFFECT_H_

namespace closewrite {

enum class ApplyEffect { kCreated, kChanged, kUnchanged };

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_APPLY_EFFECT_H_
