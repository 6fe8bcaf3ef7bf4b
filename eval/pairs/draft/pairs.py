"""frames -> pairs with statements distilled, vectors"""
import json, random, re, sys, pickle, datetime as dt, collections, hashlib
from pathlib import Path
import numpy as np
from memsvc.distill import compose
from memsvc.domain.message import Message, Role
from memsvc.models import tokens
import os
GLOB=os.environ.get("GLOB","*.json")
def frames(folder='/tmp/frames'):
    out={}
    for f in sorted(Path(folder).glob(GLOB)):
        lang=f.stem.split('-')[0]
        for kind,k in json.loads(f.read_text()).items(): out[lang,kind]=k
    return out
_cache={}
T1=dt.datetime(2024,1,10,10,tzinfo=dt.UTC); T2=dt.datetime(2024,3,12,10,tzinfo=dt.UTC)
def distil(text,at):
    key=(text,at)
    if key not in _cache:
        m=Message('m','s','e',Role.USER,None,text,at)
        _cache[key]=compose.distill([m],preceding=(),participants=(),namespace_id='n',count_tokens=tokens.count).units
    return _cache[key]
def fill(t,v,u=None): return t.replace('{v}',v).replace('{u}',u or '')
def make(fr,seed=0,per=60):
    rnd=random.Random(seed); pairs=[]
    keys=list(fr)
    for key in keys:
        k=fr[key]; vals=k['values']
        for _ in range(per if key[0]=='en' else per):
            v,u,w=(rnd.sample(vals,3) if len(vals)>=3 else (vals+vals+vals)[:3])
            # earlier says u
            if k['change'] and rnd.random()<.25: e=fill(rnd.choice(k['change']),u,w); 
            else: e=fill(rnd.choice(k['state']),u)
            r=rnd.random()
            one=k['one'] and bool(k['change'])
            yesno=not k['change']
            if yesno:
                if r<.45: l,y,what=fill(rnd.choice(k['end']),u,u),1,'end'
                elif r<.6: l,y,what=fill(rnd.choice(k['state']),v),0,'other value'
                elif r<.7: l,y,what=fill(rnd.choice(k['end']),v,v),0,'other end'
                elif r<.85: l,y,what=fill(rnd.choice(k['stands']),rnd.choice([u,v]),u),0,'stands'
                else: l,y,what=fill(rnd.choice(k['again']),u,u),0,'again'
            elif one:
                if r<.33: l,y,what=fill(rnd.choice(k['change']),v,u),1,'change'
                elif r<.45: l,y,what=fill(rnd.choice(k['state']),v,u),1,'state'
                elif r<.53: l,y,what=fill(rnd.choice(k['end']),u,u),1,'end'
                elif r<.80: l,y,what=fill(rnd.choice(k['stands']),v if rnd.random()<.8 else u,u),0,'stands'
                elif r<.88: l,y,what=fill(rnd.choice(k['again']),u,u),0,'again'
                else:
                    e,l=fill(rnd.choice(k['stands']),u,v),fill(rnd.choice(k['state']+k['change']),v,w); y,what=0,'stood'
            else:
                if r<.3: l,y,what=fill(rnd.choice(k['change']),v,u),0,'adds'
                elif r<.45: l,y,what=fill(rnd.choice(k['state']),v,u),0,'adds'
                elif r<.65: l,y,what=fill(rnd.choice(k['end']),u,u),1,'end'
                elif r<.85: l,y,what=fill(rnd.choice(k['stands']),v,u),0,'stands'
                else: l,y,what=fill(rnd.choice(k['again']),u,u),0,'again'
            pairs.append((key,e,l,y,what,u,v))
        # across kinds of the same language
        others=[o for o in keys if o[0]==key[0] and o!=key]
        for _ in range(per//3):
            o=rnd.choice(others); u=rnd.choice(vals); v=rnd.choice(fr[o]['values']); x=rnd.choice(fr[o]['values'])
            e=fill(rnd.choice(k['state']),u); l=fill(rnd.choice(fr[o]['state']+fr[o]['change']+fr[o]['end']),v,x)
            pairs.append((key,e,l,0,'cross',u,v))
    return pairs
