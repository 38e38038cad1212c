/* Forced into every file by the build: functions that have hurt others become compile errors here.
 * What to use instead: slices and buf (strings), parse_u64 (numbers), log (output), mem_* (memory),
 * clock and date (time), random_* (randomness). */
#ifndef DEPESCHE_BASE_BANNED_H
#define DEPESCHE_BASE_BANNED_H

#include <alloca.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define BANNED(func) sorry_##func##_is_banned_see_base_banned_h

#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef strtok
#undef strtok_r
#undef sprintf
#undef vsprintf
#undef gets
#undef atoi
#undef atol
#undef atoll
#undef gmtime
#undef localtime
#undef ctime
#undef asctime
#undef system
#undef popen
#undef alloca
#undef rand
#undef srand
#undef random
#define strcpy(a, b)      BANNED(strcpy)
#define strcat(a, b)      BANNED(strcat)
#define strncpy(a, b, c)  BANNED(strncpy)
#define strncat(a, b, c)  BANNED(strncat)
#define strtok(a, b)      BANNED(strtok)
#define strtok_r(a, b, c) BANNED(strtok_r)
#define sprintf(...)      BANNED(sprintf)
#define vsprintf(...)     BANNED(vsprintf)
#define gets(a)           BANNED(gets)
#define atoi(a)           BANNED(atoi)
#define atol(a)           BANNED(atol)
#define atoll(a)          BANNED(atoll)
#define gmtime(a)         BANNED(gmtime)
#define localtime(a)      BANNED(localtime)
#define ctime(a)          BANNED(ctime)
#define asctime(a)        BANNED(asctime)
#define system(a)         BANNED(system)
#define popen(a, b)       BANNED(popen)
#define rand()            BANNED(rand)
#define srand(a)          BANNED(srand)
#define random()          BANNED(random)

#endif
