/* api/health.h -- /health, /livez and /readyz.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_HEALTH_H
#define API_HEALTH_H

#include "api/web.h"

void health_page(const struct web *w);
void livez_page(const struct web *w);  /* and /livez/CHECK */
void readyz_page(const struct web *w); /* and /readyz/CHECK */

#endif
