"""The verbs the local extractor understands, in all their forms, and what each kind of verb says."""

# lemma -> third person, past, participle, -ing, where they aren't made by the rules of spelling
_IRREGULAR = """
be:is was been being|have:has had had having|do:does did done doing|go:goes went gone going|get:gets got got getting
begin:begins began begun beginning|become:becomes became become becoming|bring:brings brought brought bringing
build:builds built built building|buy:buys bought bought buying|catch:catches caught caught catching
choose:chooses chose chosen choosing|come:comes came come coming|drive:drives drove driven driving
dig:digs dug dug digging|eat:eats ate eaten eating|fall:falls fell fallen falling|feel:feels felt felt feeling
fight:fights fought fought fighting|find:finds found found finding|fly:flies flew flown flying
forget:forgets forgot forgotten forgetting|give:gives gave given giving|grow:grows grew grown growing
hear:hears heard heard hearing|hold:holds held held holding|keep:keeps kept kept keeping|know:knows knew known knowing
lead:leads led led leading|leave:leaves left left leaving|lend:lends lent lent lending|let:lets let let letting
lose:loses lost lost losing|make:makes made made making|meet:meets met met meeting
oversee:oversees oversaw overseen overseeing|pay:pays paid paid paying|put:puts put put putting
quit:quits quit quit quitting|read:reads read read reading|ride:rides rode ridden riding|run:runs ran run running
say:says said said saying|see:sees saw seen seeing|sell:sells sold sold selling|send:sends sent sent sending
show:shows showed shown showing|sing:sings sang sung singing|sit:sits sat sat sitting
sleep:sleeps slept slept sleeping|speak:speaks spoke spoken speaking|spend:spends spent spent spending
stand:stands stood stood standing|swim:swims swam swum swimming|take:takes took taken taking
teach:teaches taught taught teaching|tell:tells told told telling|think:thinks thought thought thinking
understand:understands understood understood understanding|win:wins won won winning|write:writes wrote written writing
rewrite:rewrites rewrote rewritten rewriting|wear:wears wore worn wearing|break:breaks broke broken breaking
split:splits split split splitting|undergo:undergoes underwent undergone undergoing|draw:draws drew drawn drawing
hate:hates hated hated hating|plan:plans planned planned planning|set:sets set set setting
stop:stops stopped stopped stopping|drop:drops dropped dropped dropping|ship:ships shipped shipped shipping
chat:chats chatted chatted chatting|debug:debugs debugged debugged debugging|swap:swaps swapped swapped swapping
refer:refers referred referred referring|prefer:prefers preferred preferred preferring
enrol:enrols enrolled enrolled enrolling|travel:travels travelled travelled travelling
program:programs programmed programmed programming|cut:cuts cut cut cutting|chair:chairs chaired chaired chairing
sign:signs signed signed signing|sub:subs subbed subbed subbing|ski:skis skied skied skiing
"""
_REGULAR = """
     work intern volunteer freelance consult serve lecture start join hire employ recruit appoint promote resign
    retire fire manage head supervise direct own found co-found coach run captain mentor report answer live base
    locate reside stay settle move relocate migrate emigrate immigrate visit arrive return tour date marry engage
    divorce introduce befriend share pair collaborate partner team cooperate study attend graduate enroll major admit
    train learn research practise practice play teach tutor explore master use adopt apply switch convert replace
    develop design create implement code maintain contribute handle launch release publish deploy test review fix
    debug document translate paint rent belong acquire merge include contain consist depend need require like love
    enjoy adore dislike detest loathe despise organise organize host hold celebrate perform present speak compete
    participate finish complete pass fail cancel postpone ask tell want expect assign task owe promise agree offer
    commit volunteer decide request order instruct remind call text email phone message talk greet thank help visit
    follow watch listen look show wait walk cook bake clean open close turn happen seem sound cause change check pull
    push try plan hope wish prepare remember mention suggest explain announce confirm say insist claim believe admit
    oppose accept receive collect deliver carry pick place paint play photograph film record produce edit submit
    permit omit transfer skip rob jog hug beg grab wrap trim tag log plug scan fit bump rename upload download water
    fill feed iron mow wash vacuum book renew file sort mail deliver return refactor migrate upgrade install configure
    benchmark measure track monitor invoice bill charge budget schedule arrange coordinate assist guard interview
    assess audit grade mark score sponsor fund invest donate support defend sue advise treat operate photograph sketch
    design illustrate compose arrange conduct direct star feature narrate name call nickname dub rename title retitle
    land last stretch survive outlive bury mourn smell taste weigh cost beat rain snow purr complain sleep drink
""".split()
_DOUBLED = frozenset(
    """
        admit commit submit permit omit transfer occur plan stop drop ship chat debug swap skip rob jog hug beg cancel
        label     grab wrap trim tag log plug scan fit
    """.split()
)


def _forms() -> dict[str, tuple[str, str]]:
    """Every form -> (lemma, form): "b" base, "s", "d" past, "n" participle, "g" -ing. Where past and participle are one
    word it is "d": the auxiliary before it says which is meant."""
    forms: dict[str, tuple[str, str]] = {}
    for lemma in dict.fromkeys(_REGULAR):
        stem = lemma.removesuffix("e")
        if lemma[-1] == "y" and lemma[-2] not in "aeiou":
            third, past = lemma[:-1] + "ies", lemma[:-1] + "ied"
        else:
            third = lemma + ("es" if lemma.endswith(("s", "sh", "ch", "x", "z")) else "s")
            past = stem + "ed"
        if lemma in _DOUBLED:
            stem = lemma + lemma[-1]
            past = stem + "ed"
        for form, kind in ((lemma, "b"), (third, "s"), (past, "d"), (stem + "ing", "g")):
            forms[form] = (lemma, kind)
    for entry in _IRREGULAR.replace("\n", "|").strip("|").split("|"):
        lemma, _, others = entry.partition(":")
        third, past, participle, gerund = others.split()
        for form, kind in ((participle, "n"), (past, "d"), (third, "s"), (gerund, "g"), (lemma, "b")):
            forms[form] = (lemma, kind)
    forms.update(dict.fromkeys(("am", "are", "is", "'m", "'re"), ("be", "s")))
    forms.update(dict.fromkeys(("was", "were"), ("be", "d")))
    forms.update({"has": ("have", "s"), "'ve": ("have", "s"), "gotten": ("get", "n"), "travelled": ("travel", "d")})
    forms.update(
        {
            "luv": ("love", "b"),
            "loooove": ("love", "b"),
            "lovin": ("love", "g"),
            "luvs": ("love", "s"),
            "h8": ("hate", "b"),
        }
    )
    forms.update({"workin": ("work", "g"), "livin": ("live", "g"), "learnt": ("learn", "d"), "learnin": ("learn", "g")})
    forms.update({"traveled": ("travel", "d"), "traveling": ("travel", "g"), "enrolled": ("enrol", "d")})
    return forms


FORMS = _forms()
# Participles that look like the base form: "is run by".
ALSO_PARTICIPLES = frozenset("run come become put set cut quit split let read overcome".split())

# What a verb says of a person, by kinds. A preposition may narrow it (umi.extract.relations).
MANAGE = frozenset(
    """manage head supervise direct own found co-found coach run lead oversee captain chair establish""".split()
)
LEAVE = frozenset("leave quit resign retire fire sack dismiss".split())
MEMBER = frozenset("study attend graduate enrol enroll major admit train play sing".split())
LIVE = frozenset(
    """live base locate reside stay settle move relocate migrate emigrate immigrate grow come be remain rent raise
    teach study work intern practise born open""".split()
)
VISIT = frozenset(
    """
        visit arrive return tour fly travel drive go walk spend ride sail see explore head take cycle hike backpack
    """.split()
)
KNOW = frozenset("know meet marry date befriend introduce engage divorce mentor".split())
# With somebody: what people do who know each other. Only to talk, to call or to eat together proves nothing.
NO_TIE_WITH = frozenset(
    """talk speak chat call text email phone message lunch eat dine argue discuss have agree sign check""".split()
)
LIKE = frozenset("like love prefer enjoy adore".split())
DISLIKE = frozenset("hate dislike detest loathe despise".split())
TOPIC_OBJECT = frozenset("learn study teach research practise practice play tutor master major".split())
# Verbs whose subject is a person, said of a name that nothing else explains.
PERSONAL = frozenset(
    """say think tell want love like enjoy hate prefer dislike live work marry study teach speak play feel know believe
    promise agree ask call visit""".split()
)
_NO_FORM = ("", "")


def lemma_of(word: str) -> str:
    """The base form of a verb's form, "" of what is no verb."""
    return FORMS.get(word, _NO_FORM)[0]


def kind_of(word: str) -> str:
    """ "b", "s", "d", "n" or "g" of a verb's form, "" of what is no verb."""
    return FORMS.get(word, _NO_FORM)[1]
