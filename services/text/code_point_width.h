// How many columns of a terminal a character takes.
#ifndef SERVICES_TEXT_CODE_POINT_WIDTH_H_
#define SERVICES_TEXT_CODE_POINT_WIDTH_H_

#include <cstdint>

namespace closewrite {

// 2 for East Asian wide characters and emoji, 0 for marks that stand over or in others and for
// invisible ones, 1 for all else. By Unicode 14 (EastAsianWidth.txt, general categories Mn, Me and
// Cf), whatever the locale.
int CodePointWidth(uint32_t code_point);

}  // namespace closewrite

#endif  // SERVICES_TEXT_CODE_POINT_WIDTH_H_
