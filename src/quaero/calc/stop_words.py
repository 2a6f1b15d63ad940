"""Words that say nothing about what a text is about."""

from __future__ import annotations

from typing import Final

_ENGLISH: Final = """
a about above across after again against all almost along already also although always am among an and another any
anybody anyone anything are aren't aren’t around as ask at away back be became because become been before behind being
below best better between both but by came can can't cannot can’t case click come could couldn't couldn’t did didn't
didn’t different do does doesn't doesn’t doing don't done don’t down during e.g each eg either else enough etc even
ever every everyone everything example examples far few first following follows for from full further gave get gets
getting give given gives go goes going gone good got great had hadn't has hasn't have haven't having he he'll he's her
here here's hers herself him himself his how how's however i i'd i'll i'm i've i.e ie if in indeed instance instead
into is isn't isn’t it it'll it's its itself it’s i’m just keep keeps kept kind know known large last later least less
let let's let’s like likely little long look lot made make makes making many may maybe me mean means might mine more
moreover most mostly much must my myself near need needed needs neither never new next no nobody non none nor not note
notes nothing now nowhere number of off often ok old on once one ones only onto or other others otherwise our ours
ourselves out over own part per perhaps please possible put quite rather really right said same say says see seem
seems seen several shall she she'll she's should shouldn't shouldn’t show shown shows since small so some somebody
someone something sometimes somewhere soon sort still such sure take taken takes tell than that that's that’s the
their theirs them themselves then there there's thereby therefore there’s these they they'd they'll they're they've
they’re thing things think this those though three through throughout thus time times to today together too toward
towards tried try two under unless until up upon us use used useful uses using usually various very via vs want wants
was wasn't wasn’t way we we'd we'll we're we've well went were weren't we’re what what's when when's where where's
whereas whether which while who who's whole whom whose why why's will with within without won't won’t work works would
wouldn't yes yet you you'd you'll you're you've your yours yourself yourselves you’re
"""
_CODE: Final = """
abstract alias annotations any arg args arr array assert async attr auto await begin bool boolean break byte callable
case catch char class clone cls const constructor continue cstr ctx def default defer del delete derive dict do double
dyn elif else elsif end endif enum eq err errno error except exec exit export extends extern extra false fi final
finally fixme float fmt fn foo for foreach from func function future global go goto group hash idx if ifdef ifndef
impl implements import include init inline int integer interface internal is isinstance item items iter join kwargs
lambda left len let limit list local log long loop macro main map mapping match max min mod module mut namespace
native new nil none noqa not null num obj object op option optional order override package param params pass pragma
print printf private protected ptr pub public raise range readonly ref register repr require res result ret return
returns select self sequence short signed size_t sizeof static std str string strings struct super switch sync
synchronized table template then this throw throws todo trait true try tuple type typedef typename typeof types typing
uint undefined union unit unsafe unsigned use using usize val value values var vec vector virtual void volatile where
while with xxx yield
"""

ENGLISH: Final = frozenset(_ENGLISH.split())
CODE: Final = frozenset(_CODE.split())
"""Keywords of programming languages and the names that everybody gives."""
